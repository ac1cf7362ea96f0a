"""What a person would type, command by command: shown by `--help` and by the manual pages."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "init": (
        ("hpcc init", "choose at the prompt"),
        ("hpcc init --template postgres-etl --name sales -o sales/compose.yaml", "a copy under another name"),
    ),
    "migrate": (
        ("hpcc migrate docker-compose.yaml -o compose.yaml", "write the new file, and say what changed"),
        ("hpcc migrate --without-containers -o compose.yaml", "for a machine that has no container runtime"),
        ("hpcc migrate --format json", "the file, the account and what is wrong as one object"),
    ),
    "validate": (
        ("hpcc validate", "is ./compose.yaml right?"),
        ("hpcc validate -f train.yaml --strict", "warnings fail, too"),
    ),
    "config": (("hpcc config --variables", "also where each variable comes from"),),
    "schema": (("hpcc schema -o compose.schema.json", "for an editor"),),
    "plan": (("hpcc plan -f train.yaml", "what would happen, and why"),),
    "inspect": (
        ("hpcc inspect --service model", "one service in detail"),
        ("hpcc inspect --rightsize", "what the last run used of what it asked for"),
    ),
    "render": (("hpcc render -o job.sbatch", "the script, to read or to submit by hand"),),
    "preflight": (("hpcc preflight --strict", "warnings fail, too"),),
    "prepare": (
        ("hpcc prepare", "import and customise all images"),
        ("hpcc prepare --service model --force", "one of them anew"),
    ),
    "cache list": (("hpcc cache list", "what lies there, and who needs it"),),
    "cache inspect": (("hpcc cache inspect -f train.yaml", "what prepare would do"),),
    "cache prune": (("hpcc cache prune --age 30d --dry-run", "what has not been used for a month"),),
    "up": (
        ("hpcc up", "submit, follow, and end as the job ended"),
        ("hpcc up --engine local", "on this machine, without Slurm"),
        ("hpcc up --detach --run-key nightly-7", "once, however often it is repeated"),
    ),
    "submit": (
        ("job=$(hpcc submit)", "nothing but the id on stdout"),
        ("hpcc submit --dry-run --script-out job.sbatch", "all but the submission"),
    ),
    "sweep submit": (("hpcc sweep submit --throttle 8", "eight trials at once at most"),),
    "sweep status": (("hpcc sweep status --summary", "the counts alone"),),
    "sweep list": (("hpcc sweep list", "the sweeps of this folder"),),
    "sweep watch": (("hpcc sweep watch --sweep-id lr-1", "until no trial runs or waits"),),
    "sweep observe": (("hpcc sweep observe --watch", "look again and again"),),
    "sweep results": (("hpcc sweep results --format csv --output trials.csv", "for a table of yours"),),
    "sweep resume": (("hpcc sweep resume --failed", "the failed trials again"),),
    "sweep stop": (("hpcc sweep stop --yes --wait 60", "without being asked, and wait for the end"),),
    "status": (
        ("hpcc status", "the newest job of this folder"),
        ("hpcc status --job-id 4242 --format json", "for a script"),
    ),
    "ps": (("hpcc ps --job-id 4242", "its services, a line each"),),
    "watch": (("hpcc watch --no-tui", "line by line, also into a file"),),
    "logs": (
        ("hpcc logs --follow", "until the job ends"),
        ("hpcc logs --service model --since 5m --grep error", "part of it"),
    ),
    "replay": (("hpcc replay --no-tui", "what happened, in order"),),
    "stats": (
        ("hpcc stats", "what the newest job used"),
        ("hpcc stats --accounting --format csv", "with Slurm's accounts, for a table"),
    ),
    "score": (("hpcc score 4242", "how well it used what it had"),),
    "germinate": (("hpcc germinate --time 2m", "two minutes with little"),),
    "diff": (
        ("hpcc diff 4241 4242", "what changed between two jobs"),
        ("hpcc diff 4242 --against-spec", "what changed in the file since"),
    ),
    "cancel": (("hpcc cancel --job-id 4242", "and wait for its end"),),
    "down": (("hpcc down 4242", "end it and remove its files"),),
    "clean": (("hpcc clean --keep 10 --dry-run", "all but the ten newest finished jobs"),),
    "artifacts": (("hpcc artifacts --bundle model --tarball", "one bundle, also packed"),),
    "debug": (("hpcc debug", "what is wrong with the newest job"),),
    "jobs": (
        ("hpcc jobs --all", "of this folder, ended ones too"),
        ("hpcc jobs --global --state failed --since 1d", "of all folders"),
    ),
    "monitor": (("hpcc monitor --all --interval 60s --jsonl events.jsonl", "for hours, and write each change down"),),
    "completions": (
        ('eval "$(hpcc completions bash)"', "in ~/.bashrc; zsh alike in ~/.zshrc, after compinit"),
        ("hpcc completions fish > ~/.config/fish/completions/hpcc.fish", "once for fish"),
    ),
}
"""Each command by what is typed after `hpcc`; its lines, and what each is good for."""


def examples_text(name: str) -> str:
    """They as the end of a help text; each what above its line. Empty for a group."""
    rows = [f"  {line}\n      {what}" for line, what in EXAMPLES.get(name, ())]
    return "\n".join(["\b", "Examples:", *rows]) if rows else ""
