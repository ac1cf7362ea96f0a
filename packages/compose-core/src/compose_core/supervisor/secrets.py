"""Secrets: read on this host, given to the services that name them and to nothing else, written nowhere."""

import os
import re
import stat
from typing import Dict, Iterable, List

from compose_core.supervisor.files import Json
from compose_core.supervisor.talk import Refused

SECRET_LIMIT = 64 * 1024
"""Bytes of a value: the kernel takes 128 KiB for one variable, its name included."""
LOST_IN_ENROOT = re.compile(r"\n|\A[\"'].*[\"'][ \t]*\Z", re.DOTALL)
"""Enroot hands variables over as lines of a file and strips quotes around a value."""


class SecretUnavailable(Refused):
    """A secret cannot be had here; the text names its source and never holds its value."""


class Secrets:
    """Where the declared secrets come from. Values of files are read anew for each start and are not kept."""

    def __init__(self, description: Json, environment: Dict[str, str]) -> None:
        """Take the secrets out of `environment` and out of this process's own."""
        self._sources: Dict[str, Json] = description.get("secrets") or {}
        self._backend: str = description.get("backend") or ""
        self._variables: Dict[str, str] = {}
        for source in self._sources.values():
            variable = source.get("env")
            if variable is not None and variable in environment:
                self._variables[variable] = environment[variable]
        for name in list(self._sources) + list(self._variables):
            environment.pop(name, None)
            os.environ.pop(name, None)

    def check(self, wanted: Iterable[List[str]]) -> None:
        """Read once each secret that a service names, so that what is wrong shows before the first service.

        Raises: SecretUnavailable: one cannot be had.
        """
        for name in sorted({name for names in wanted for name in names}):
            self._value(name)

    def given_to(self, names: List[str], environment: Dict[str, str]) -> Dict[str, str]:
        """`environment` with these secrets.

        Raises: SecretUnavailable: one cannot be had any more.
        """
        for name in names:
            environment[name] = self._value(name)
            if self._backend == "apptainer":  # wins over the image's own, and is not evaluated by a shell
                environment["APPTAINERENV_" + name] = environment[name]
                environment["APPTAINER_NO_EVAL"] = "1"
        return environment

    def _value(self, name: str) -> str:
        source = self._sources.get(name) or {}
        if source.get("file") is not None:
            shown = "the file {}".format(source["file"])
            value = secret_of_file(name, source["file"])
        else:
            shown = "the variable {}".format(source.get("env"))
            if source.get("env") not in self._variables:
                raise SecretUnavailable("secret {}: {} is not set in the job".format(name, shown))
            value = self._variables[source["env"]]
        if not value:
            raise SecretUnavailable("secret {}: {} is empty".format(name, shown))
        if len(os.fsencode(value)) > SECRET_LIMIT:
            raise SecretUnavailable("secret {}: {} holds more than {} bytes".format(name, shown, SECRET_LIMIT))
        if self._backend == "enroot" and LOST_IN_ENROOT.search(value):
            raise SecretUnavailable(
                "secret {}: {} holds a line break or is enclosed in quotes, which enroot does not keep".format(
                    name, shown
                )
            )
        return value


def secret_of_file(name: str, path: str) -> str:
    """The contents of the file without one newline at the end.

    Raises: SecretUnavailable: there is none, or others can read or replace it.
    """
    about = "secret {}: the file {} ".format(name, path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        is_link = os.path.islink(path)
        raise SecretUnavailable(
            about + ("is a symbolic link" if is_link else "cannot be read: " + str(error.strerror))
        ) from None
    try:
        fault = secret_file_fault(os.fstat(descriptor))
        if fault:
            raise SecretUnavailable(about + fault)
        data = b""
        while len(data) <= SECRET_LIMIT + 1:
            piece = os.read(descriptor, SECRET_LIMIT + 2 - len(data))
            if not piece:
                break
            data += piece
    except OSError as error:
        raise SecretUnavailable(about + "cannot be read: " + str(error.strerror)) from None
    finally:
        os.close(descriptor)
    if b"\0" in data:
        raise SecretUnavailable(about + "holds a NUL byte, which a variable cannot")
    return os.fsdecode(data[:-1] if data.endswith(b"\n") else data)


def secret_file_fault(found: os.stat_result) -> str:
    """What keeps the file from holding a secret; empty when nothing does."""
    if not stat.S_ISREG(found.st_mode):
        return "is no regular file"
    if found.st_uid not in (os.geteuid(), 0):
        return "belongs to user id {}, not to you or root".format(found.st_uid)
    mode = stat.S_IMODE(found.st_mode)
    allowed = 0o740 if found.st_uid == 0 else 0o700  # what root prepares may be read by a group
    if mode & 0o777 & ~allowed:
        return "has mode {:04o}, so others than you may read or change it: chmod 600 it".format(mode)
    return ""
