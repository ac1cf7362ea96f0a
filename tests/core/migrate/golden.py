"""Docker Compose files of common stacks and what they become; `python -m tests.core.migrate.golden` writes that anew."""

from __future__ import annotations

from pathlib import Path

from compose_core.migrate import Migration, migrate_file

STACKS = sorted(Path(__file__).with_name("stacks").iterdir())
RESULT = "migrated.yaml"
ACCOUNT = "account.txt"


def migrated(stack: Path) -> Migration:
    """The stack's file, converted in its folder."""
    return migrate_file(stack / "docker-compose.yaml", shown="docker-compose.yaml", to=stack)


def account(made: Migration) -> str:
    """One line per note."""
    return "".join(f"{note.kind} {note.file}:{note.line} {note.key_path}: {note.message}\n" for note in made.notes)


if __name__ == "__main__":
    for one in STACKS:
        made = migrated(one)
        (one / RESULT).write_text(made.text())
        (one / ACCOUNT).write_text(account(made))
