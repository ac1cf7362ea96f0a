"""FROM DOCKER COMPOSE: a docker-compose.yaml becomes a compose file of ours, with an account of what became of each key."""

from compose_core.migrate.file import Migration, migrate_file
from compose_core.migrate.notes import Note, NoteKind, Notes

__all__ = ["Migration", "Note", "NoteKind", "Notes", "migrate_file"]
