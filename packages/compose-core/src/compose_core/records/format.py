"""What all our JSON files have in common: a schema version, tolerant reading, whole writing."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from compose_core.errors import RecordError
from compose_core.job_state import parse_job_id
from compose_core.records.atomic import create_file, read_file, replace_file
from compose_core.records.json_text import json_bytes, parse_object
from compose_core.records.our_path import OurPath
from compose_core.records.token import parse_token

JobIdText = Annotated[str, AfterValidator(lambda text: str(parse_job_id(text)))]
TokenText = Annotated[str, AfterValidator(parse_token)]


class Format(BaseModel):
    """One JSON file of ours. Fields that a later release added are ignored, a later schema version is refused."""

    model_config = ConfigDict(
        extra="ignore", frozen=True, allow_inf_nan=False, coerce_numbers_to_str=True, defer_build=True
    )

    latest_version: ClassVar[int] = 1
    max_bytes: ClassVar[int] = 1024 * 1024
    """A file of more bytes is not one of ours."""

    schema_version: int = 1

    @classmethod
    def read(cls, path: OurPath) -> Self | None:
        """The content of the file; None when there is none.

        Raises: RecordError: it cannot be read, is no file of this format, or was written by a newer release.
        """
        data = read_file(path, max_bytes=cls.max_bytes)
        return None if data is None else cls.parse(data, path)

    @classmethod
    def parse(cls, data: bytes, path: OurPath) -> Self:
        """The content that the bytes spell; the path is for the error.

        Raises: RecordError: they are not of this format, or of a newer release.
        """
        fields = parse_object(data, path)
        version = fields.get("schema_version", 1)
        if isinstance(version, int) and version > cls.latest_version:
            raise RecordError(
                f"{path} has schema_version {version}; this release reads up to {cls.latest_version}",
                remedy="It was written by a newer hpc-compose: use that one.",
            )
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            raise RecordError(
                f"{path} does not hold what it should: {_first_fault(error)}",
                remedy="Look at it and move it away; nothing was changed.",
            ) from error

    def as_json(self) -> dict[str, Any]:
        """The fields as they stand in the file."""
        return self.model_dump(mode="json")

    def as_bytes(self) -> bytes:
        """The file's content."""
        return json_bytes(self.as_json())

    def replace(self, path: OurPath) -> None:
        """The file holds this afterwards.

        Raises: RecordError: it cannot be written.
        """
        replace_file(path, self.as_bytes())

    def create(self, path: OurPath) -> bool:
        """True when this call made the file, False when there was one.

        Raises: RecordError: it cannot be written.
        """
        return create_file(path, self.as_bytes())


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in fault["loc"])
    return f"{place}: {fault['msg']}" if place else fault["msg"]
