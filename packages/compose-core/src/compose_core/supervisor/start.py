"""From the script's arguments and environment to a running supervisor."""

import os
import re
from typing import Dict, List, Tuple

from compose_core.supervisor.attempts import ResumeFolder, attempt_folder, earlier_state
from compose_core.supervisor.claim import claim, open_job_folder
from compose_core.supervisor.files import Json, open_folder
from compose_core.supervisor.host import restart_count
from compose_core.supervisor.starts import attempt_of, earlier_end, wait_for_earlier
from compose_core.supervisor.supervise import Supervisor
from compose_core.supervisor.talk import Refused, complain, say

DESCRIPTION_FORMAT = 1
EXIT_ENVIRONMENT = 3
EXIT_TWIN = 10
"""What `claim-only` answers to the script when the token belongs to another job; a whole run answers 0."""
EXIT_CANCELLED = 143
TOKEN_FORM = re.compile(r"[0-9A-Za-z]{8,64}")
JOB_ID_FORM = re.compile(r"[1-9][0-9]*(?:_[0-9]+)?")


def own_job_id(environment: Dict[str, str]) -> Tuple[str, str]:
    """The job's id as a folder name, and the id that holds the claim (that of the array for its tasks).

    Raises: Refused: this is no job.
    """
    array, task = environment.get("SLURM_ARRAY_JOB_ID"), environment.get("SLURM_ARRAY_TASK_ID")
    holder = array if array and task else environment.get("SLURM_JOB_ID", "")
    job_id = "{}_{}".format(array, task) if array and task else holder
    if not holder or not JOB_ID_FORM.fullmatch(job_id):
        raise Refused("SLURM_JOB_ID holds no job id: this script is run by sbatch, or by hpcc on this machine")
    return job_id, holder


def main(script: str, description: Json, arguments: List[str]) -> int:
    """Run the job that `description` tells of, with `[claim-only] [claim:TOKEN]`; the result is the exit status."""
    os.umask(0o077)
    environment = dict(os.environ)
    try:
        return _run(script, description, list(arguments), environment)
    except Refused as error:
        complain(str(error))
        return EXIT_ENVIRONMENT
    except OSError as error:
        complain("the job cannot run: {}".format(error))
        return EXIT_ENVIRONMENT


def _run(script: str, description: Json, arguments: List[str], environment: Dict[str, str]) -> int:
    if description.get("format") != DESCRIPTION_FORMAT:
        raise Refused("the job description has format {}, not {}".format(description.get("format"), DESCRIPTION_FORMAT))
    is_claim_only = arguments[:1] == ["claim-only"]
    words = arguments[1:] if is_claim_only else arguments
    if len(words) > 1 or not all(word.startswith("claim:") for word in words):
        raise Refused("only claim:TOKEN may follow the script, not {}".format(" ".join(words)))
    token = words[0][len("claim:") :] if words else ""
    if words and not TOKEN_FORM.fullmatch(token):
        raise Refused("{} is no submission token".format(token))
    job_id, holder = own_job_id(environment)
    submit_dir = os.path.abspath(environment.get("SLURM_SUBMIT_DIR") or os.getcwd())
    answer = claim(submit_dir, token, holder) if token else "ours"
    if answer == "twin":
        return EXIT_TWIN if is_claim_only else 0
    if is_claim_only and answer == "ours":
        return 0
    root = os.path.join(submit_dir, description.get("runtime_root") or "")
    if not description.get("runtime_root"):
        root = os.path.join(submit_dir, ".hpc-compose")
        os.close(open_folder(root))
    folder = open_job_folder(root, job_id, token or None, restart_count(environment))
    earlier = earlier_state(folder.folder(""))
    if earlier:
        earlier = wait_for_earlier(earlier, lambda: earlier_state(folder.folder("")))
    status = earlier_end(environment, earlier)
    if status is not None:
        say(
            "job", "it has run already and ended with {}; Slurm started it once more, and nothing is run".format(status)
        )
        return status
    attempt = attempt_of(environment, earlier, description.get("requeue") is not False)
    resume = None
    if description.get("resume"):
        folder = attempt_folder(folder, attempt)
        resume = ResumeFolder(description["resume"], job_id.partition("_")[2]) if answer == "ours" else None
    if answer == "cancelled":
        description = dict(description, artifacts=None)  # nothing ran that could have left any
    supervisor = Supervisor(script, description, environment, folder, job_id, token, resume, attempt)
    if answer == "cancelled":
        return _end_cancelled(supervisor)
    if resume is not None:
        resume.note_run(job_id, token or None, attempt, str(description.get("name")), folder.path)
    if token:
        supervisor.record.event("claimed", token=token)
    return supervisor.run()


def _end_cancelled(supervisor: Supervisor) -> int:
    """The job was cancelled before it began: nothing starts, and it is said why."""
    supervisor.job.decide("cancelled", EXIT_CANCELLED, message="cancelled before its first service started")
    return supervisor.finish()
