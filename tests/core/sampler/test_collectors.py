"""When samples are taken, what programs may cost, and what is read where no GPU is asked."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from compose_core.sampler import cpu, sstat
from compose_core.sampler.collector import CPU_SHARE, Collector, Conversation
from compose_core.sampler.owners import Owners, cgroup_of, step_of
from compose_core.sampler.probe import Answer, Probe
from compose_core.sampler.values import byte_count, flag, number, seconds
from tests.core.sampler.answers import Heard, hold, said

PATIENCE_S = 20.0
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


class Asks(Collector):
    """A collector that asks one program."""

    name = "asks"
    argv: tuple[str, ...] = ("true",)
    answers: list[Answer]

    def sample(self, at: float) -> Conversation:
        """One question."""
        answer = yield list(self.argv)
        self.answers = [*getattr(self, "answers", []), answer]
        self.state, self.note = ("ok", "") if answer.status == 0 else ("failed", answer.why(list(self.argv)))


class Unkillable(Probe):
    """Its program survives KILL, as one that a driver keeps in the kernel."""

    def kill(self) -> None:
        """Nothing happens."""


def collector(interval_s: float = 0.05, *argv: str) -> tuple[Asks, Heard]:
    """One that asks this program."""
    heard = Heard()
    made = Asks({"interval_s": interval_s}, heard, ENVIRONMENT)  # type: ignore[arg-type]
    made.argv = argv or ("true",)
    return made, heard


def turn(made: Collector, until: Any) -> None:
    """Advance it until the claim holds."""
    give_up_at = time.monotonic() + PATIENCE_S
    while not until():
        assert time.monotonic() < give_up_at
        made.advance(time.monotonic())
        time.sleep(0.002)


class TestSampling:
    def test_a_sample_is_taken_once_per_interval(self) -> None:
        """And is told."""
        made, heard = collector()
        turn(made, lambda: len(heard.states) == 3)
        assert {state[:3] for state in heard.states} == {("asks", "ok", "")}

    def test_samples_that_were_missed_stay_missed(self) -> None:
        """After a pause there is one, not many."""
        made, _ = collector(1.0)
        made.next_at = now = time.monotonic() - 100.5
        made.advance(time.monotonic())
        assert 0 < made.next_at - time.monotonic() <= 1.0
        assert made.next_at > now
        turn(made, lambda: made.is_idle)

    def test_a_program_that_is_missing_is_an_answer(self) -> None:
        """Not an error of the sampler."""
        made, heard = collector(0.05, "no-such-program-anywhere")
        turn(made, lambda: heard.states)
        assert heard.states[0][1] == "failed"
        assert "no-such-program-anywhere" in heard.states[0][2]

    def test_a_dear_program_is_asked_less_often(self) -> None:
        """So that it costs no more than its share of a core."""
        made, heard = collector(0.05, "python3", "-c", "import time\nwhile time.process_time() < 0.3: pass")
        turn(made, lambda: heard.states)
        assert heard.states[0][3] >= 0.3 / CPU_SHARE
        assert made.next_at - time.monotonic() > 0.3 / CPU_SHARE - 2

    def test_an_error_in_a_conversation_is_told_and_the_next_sample_is_taken(self) -> None:
        """Whatever the answer was."""
        made, heard = collector()

        def broken(at: float) -> Conversation:
            yield ["true"]
            raise KeyError("unforeseen")

        made.sample = broken  # type: ignore[method-assign]
        turn(made, lambda: len(heard.states) == 2)
        assert heard.states[0][1] == "failed"
        assert "unforeseen" in heard.states[0][2]


class TestProbe:
    def test_a_program_that_does_not_answer_is_killed_with_all_it_started(self, tmp_path: Path) -> None:
        """Within its time."""
        probe = Probe(ENVIRONMENT)
        begin = time.monotonic()
        probe.start(["bash", "-c", f"sleep 1000 & echo $! > {tmp_path}/pid; wait"], timeout_s=0.5)
        answer = None
        while answer is None:
            answer = probe.poll()
            time.sleep(0.01)
        assert answer.timed_out
        assert time.monotonic() - begin < 5
        pid = (tmp_path / "pid").read_text().strip()
        while probe.is_busy or Path(f"/proc/{pid}").exists():
            probe.poll()
            assert time.monotonic() - begin < PATIENCE_S
            time.sleep(0.01)

    def test_one_that_cannot_be_killed_is_never_started_on_top_of_itself(self, tmp_path: Path) -> None:
        """It is told as a failure of each sample until it is gone."""
        made, heard = collector(
            0.05, "bash", "-c", f"echo >> {tmp_path}/runs; until [ -e {tmp_path}/go ]; do sleep 0.02; done"
        )
        made.probe = Unkillable(ENVIRONMENT)
        start = made.probe.start
        made.probe.start = lambda argv, timeout_s=0.3: start(argv, timeout_s)  # type: ignore[method-assign]
        turn(made, lambda: len(heard.states) == 4)
        assert [state[1] for state in heard.states] == ["failed"] * 4
        assert "did not answer in time" in heard.states[0][2]
        assert "still hangs" in heard.states[3][2]
        assert (tmp_path / "runs").read_text() == "\n"
        (tmp_path / "go").touch()
        turn(made, lambda: heard.states[-1][1] == "ok")

    def test_much_output_is_cut_and_both_pipes_are_emptied(self) -> None:
        """A chatty program does not fill the memory."""
        probe = Probe(ENVIRONMENT)
        probe.start(
            ["bash", "-c", "head -c 6000000 /dev/zero | tr '\\0' x; echo warning >&2; exit 3"], timeout_s=PATIENCE_S
        )
        answer = None
        while answer is None:
            answer = probe.poll()
            time.sleep(0.001)
        assert (len(answer.output), answer.errors, answer.status) == (4 * 1024 * 1024, "warning\n", 3)
        assert probe.pipes == []


class TestSteps:
    def test_figures_of_sstat_are_numbers(self) -> None:
        """Slurm's own step is left out."""
        batch, first = sstat.parse_steps(
            "41.extern|1|00:00.000|0|0|cpu=0\n"
            "41.batch|1|00:01:40|42606592|51871744|cpu=00:01:40,mem=42606592\n"
            "41.0|2|1-02:03:04|1234K|1.5G|cpu=00:00:00,gres/gpumem=512,gres/gpuutil=97\n"
        )
        assert (batch["step_id"], batch["ave_cpu_s"], batch["max_rss_bytes"]) == ("41.batch", 100.0, 51871744)
        assert (first["ntasks"], first["ave_cpu_s"]) == (2, 93784.0)
        assert (first["ave_rss_bytes"], first["max_rss_bytes"], first["alloc_tres"]) == (1263616, 1610612736, None)

    def test_a_cell_that_is_empty_is_null(self) -> None:
        """A step that has just begun."""
        (row,) = sstat.parse_steps("41.0||||||\n41.1|1||||\n")
        assert (row["ave_cpu_s"], row["ave_rss_bytes"], row["tres_usage_in_ave"]) == (None, None, None)

    def test_after_a_failure_the_controller_is_spared(self) -> None:
        """The next question comes later."""
        heard = Heard()
        owners = Owners("41", "41", proc="/nowhere")
        made = sstat.StepCollector({"interval_s": 5}, heard, {"SLURM_JOB_ID": "41"}, owners)  # type: ignore[arg-type]
        before = made.next_at
        asked = hold(made.sample(1.0), {"sstat": said("", 1, "sstat: error: no connection\n")})
        assert asked == [sstat.steps_argv("41")]
        assert (made.state, made.next_at - before) == ("failed", 10.0)
        assert "AllocTRES" not in " ".join(asked[0])


class TestCpu:
    def test_the_share_is_that_between_two_looks(self) -> None:
        """Waiting for disks is idle time; guests are in user time already."""
        before = cpu.cpu_times("cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 1 2 3\n")
        after = cpu.cpu_times("cpu  200 0 150 800 150 0 0 0 90 0\n")
        assert cpu.busy_percent(before, after) == 50.0
        assert cpu.busy_percent(None, after) is None
        assert cpu.busy_percent(after, before) is None

    @pytest.mark.parametrize("text", ["", "intr 1 2", "cpu a b c d e", "cpu 1 2"])
    def test_a_kernel_that_tells_nothing_gives_none(self, text: str) -> None:
        assert cpu.cpu_times(text) is None

    def test_memory_is_in_bytes(self) -> None:
        found = cpu.memory_bytes("MemTotal:       24684096 kB\nMemFree: 1 kB\n")
        assert found == {"memory_total_bytes": 25276514304, "memory_available_bytes": None}


class TestOwners:
    @pytest.fixture
    def proc(self, tmp_path: Path) -> Path:
        """A /proc with a shell of the service `train`, its child without environment, and a stranger."""
        self._process(
            tmp_path, 10, 1, "0::/system.slice/slurmstepd.scope/job_41/step_3/user/task_0", self._variables("train", 3)
        )
        self._process(tmp_path, 11, 10, "0::/system.slice/slurmstepd.scope/job_41/step_3/user/task_0", {})
        self._process(tmp_path, 12, 1, "0::/system.slice/slurmstepd.scope/job_41/step_3/user/task_1", None)
        self._process(
            tmp_path, 20, 1, "0::/system.slice/slurmstepd.scope/job_99/step_0/user/task_0", self._variables("train", 0)
        )
        self._process(tmp_path, 30, 1, "0::/user.slice", None)
        return tmp_path

    def _variables(self, service: str, step: int) -> dict[str, str]:
        return {
            "HPC_COMPOSE_JOB_ID": "41",
            "HPC_COMPOSE_SERVICE_NAME": service,
            "SLURM_STEP_ID": str(step),
            "SLURM_PROCID": "5",
            "SLURM_LOCALID": "1",
        }

    def _process(self, proc: Path, pid: int, parent: int, cgroup: str, environment: dict[str, str] | None) -> None:
        folder = proc / str(pid)
        folder.mkdir()
        (folder / "stat").write_text(f"{pid} (a b) c) S {parent} " + " ".join(["0"] * 17 + ["777"]) + " 0")
        (folder / "cgroup").write_text(cgroup + "\n")
        if environment is not None:
            (folder / "environ").write_text("".join(f"{key}={value}\0" for key, value in environment.items()))

    def test_a_process_is_known_by_its_own_environment_and_its_cgroup(self, proc: Path) -> None:
        owner = Owners("41", "41", str(proc)).of(10)
        assert (owner["service"], owner["step_id"], owner["slurm_procid"], owner["slurm_localid"]) == (
            "train",
            "41.3",
            5,
            1,
        )

    def test_a_child_belongs_to_the_service_above_it(self, proc: Path) -> None:
        assert Owners("41", "41", str(proc)).of(11)["service"] == "train"

    def test_a_process_that_hides_belongs_to_the_service_of_its_step_once_that_is_known(self, proc: Path) -> None:
        """Until then it is nobody's."""
        owners = Owners("41", "41", str(proc))
        assert owners.of(12)["service"] is None
        owners.learn([10])
        assert (owners.of(12)["service"], owners.of(12)["slurm_procid"]) == ("train", None)

    @pytest.mark.parametrize("pid", [20, 30, 31])
    def test_a_process_of_another_job_or_of_nobody_is_null(self, proc: Path, pid: int) -> None:
        """Whatever its environment says; 31 has gone."""
        owner = Owners("41", "41", str(proc)).of(pid)
        assert (owner["service"], owner["step_id"]) == (None, None)

    def test_the_cgroup_that_names_a_step_counts(self) -> None:
        text = "12:cpuset:/\n4:freezer:/slurm_n1/uid_1000/job_41/step_batch/task_0\n0::/init.scope\n"
        assert step_of(cgroup_of(text)) == ("41", "batch")
        assert cgroup_of("1:name=systemd:/x\n0::/y\n") == "/y"
        assert cgroup_of("") is None


class TestValues:
    @pytest.mark.parametrize(
        ("text", "value"),
        [("12", 12), (" 3.50 ", 3.5), ("41 %", 41), ("41%", 41), ("-4", -4), ("1410 MHz", 1410), (7, 7), (True, None)]
        + [(text, None) for text in ("", "[N/A]", "[Not Supported]", "ERR!", "N/A", "nan", "1e5", "0x1", "1,5", None)],
    )
    def test_a_number_is_a_number_and_nothing_else_is(self, text: object, value: object) -> None:
        assert number(text) == value

    def test_times_and_sizes(self) -> None:
        assert [seconds(text) for text in ("00:01", "01:00:00", "1-00:00:00.5", "", "x", "12")] == [
            1,
            3600,
            86400.5,
            None,
            None,
            None,
        ]
        assert [byte_count(text) for text in ("12", "1K", "2.5M", "", "?", "K")] == [
            12,
            1024,
            2621440,
            None,
            None,
            None,
        ]
        assert [flag(text) for text in ("Yes", "Disabled", "[N/A]", "1", 0)] == [True, False, None, True, False]
