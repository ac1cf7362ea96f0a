"""The parts of the supervisor that need no process: windows, graph, globs, log reading, names."""

from __future__ import annotations

import ast
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from compose_core import supervisor as package
from compose_core.supervisor import artifacts, files, host, policy, readiness, start, talk
from tests.core.supervisor.world import World, service

FOLDER = Path(package.__file__).parent


class TestSource:
    def test_every_module_of_the_folder_is_a_part(self) -> None:
        assert {f"{name}.py" for name in package.PARTS} | {"__init__.py"} == {path.name for path in FOLDER.glob("*.py")}

    def test_all_that_the_parts_define_is_in_the_source_under_a_name_of_its_own(self) -> None:
        """In the script the parts are one module, so no two of them may use a name for two things."""
        names = [name for part in package.PARTS for name in _defined(ast.parse((FOLDER / f"{part}.py").read_text()))]
        assert [name for name, count in Counter(names).items() if count > 1] == []
        assert set(_defined(ast.parse(package.source()))) == set(names)

    def test_the_source_runs_as_one_module(self) -> None:
        names: dict[str, object] = {"__name__": "supervisor"}
        exec(compile(package.source(), "<supervisor>", "exec"), names)
        assert callable(names["main"])
        assert package.sha256() == hashlib.sha256(package.source().encode()).hexdigest()

    def test_the_source_cannot_end_a_here_document_and_ends_with_one_newline(self) -> None:
        source = package.source()
        assert source.isascii()
        assert source.endswith("\n")
        assert not source.endswith("\n\n")
        assert "HPC_COMPOSE_SUPERVISOR" not in source
        assert "HPC_COMPOSE_JOB\n" not in source

    def test_it_needs_no_newer_python_than_3_6(self, tmp_path: Path) -> None:
        vermin = Path(sys.executable).with_name("vermin")
        if not vermin.exists():
            pytest.skip("vermin is not installed")
        (tmp_path / "supervisor.py").write_text(package.source())
        done = subprocess.run(
            [vermin, "-t=3.6-", "--no-tips", str(tmp_path / "supervisor.py")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout

    @pytest.mark.oldpython
    def test_the_oldest_python_there_is_runs_a_whole_job(self, world: World) -> None:
        python = _oldest_python()
        if python is None:
            pytest.skip("no python3.6 to python3.10 on PATH or in ~/.pyenv/versions")
        ready = {"type": "log", "pattern": "^up$", "timeout_s": 20}
        code, job = world.run(
            service(
                "side",
                "trap 'exit 0' TERM; echo up; while :; do sleep 0.02; done",
                lifecycle="sidecar",
                readiness=ready,
            ),
            service("flaky", "mkdir once", policy="restart_on_failure", after={"side": "healthy"}),
            service(
                "bad",
                'rmdir once; mkdir "$HPC_COMPOSE_JOB_DIR/out"; touch "$HPC_COMPOSE_JOB_DIR/out/x"; exit 7',
                after={"flaky": "completed_successfully"},
            ),
            environment={"HPC_COMPOSE_PYTHON": python},
            artifacts={"collect": "always", "bundles": {"default": ["out/*"]}},
        )
        assert code == 7, job.batch_log
        assert job.manifest["copied_relative_paths"] == ["out/x"]
        assert job.state["job_status"] == "FAILED"
        assert "Traceback" not in job.batch_log


class TestRestartWindow:
    def test_the_lifetime_cap_counts_every_restart(self) -> None:
        window = policy.RestartWindow(2, 1.0, 9)
        assert [window.on_failure(now, now) for now in (0.0, 10.0, 20.0)] == ["restart", "restart", "gave_up"]

    def test_failures_older_than_the_window_are_forgotten(self) -> None:
        window = policy.RestartWindow(99, 60.0, 2)
        answers = [window.on_failure(now, 1000 + now) for now in (0.0, 30.0, 59.0, 60.0)]
        assert answers == ["restart", "restart", "window_exhausted", "restart"]
        assert window.timestamps(60.0) == [1030.0, 1060.0]

    def test_a_failure_that_is_refused_does_not_count(self) -> None:
        window = policy.RestartWindow(99, 60.0, 1)
        window.on_failure(0.0, 0.0)
        window.on_failure(1.0, 1.0)
        assert window.restart_count == 1

    def test_without_limits_it_always_restarts(self) -> None:
        window = policy.RestartWindow(None, None, None)
        assert {window.on_failure(float(now), now) for now in range(100)} == {"restart"}


class TestDependencyGraph:
    def test_dependents_are_found_through_others(self) -> None:
        graph = policy.DependencyGraph({"a": [], "b": [("a", "service_started")], "c": [("b", "service_healthy")]})
        assert graph.dependents("a") == {"b", "c"}
        assert graph.dependents("c") == set()

    def test_a_circle_is_refused(self) -> None:
        with pytest.raises(talk.Refused, match="wait for each other"):
            policy.DependencyGraph({"a": [("b", "service_started")], "b": [("a", "service_started")]})

    def test_an_unknown_name_is_refused(self) -> None:
        with pytest.raises(talk.Refused, match="depends on ghost"):
            policy.DependencyGraph({"a": [("ghost", "service_started")]})

    def test_wide_layers_take_no_time(self) -> None:
        layers = 40
        needs = {
            f"{layer}{side}": [(f"{layer - 1}{other}", "service_started") for other in "xyz"] if layer else []
            for layer in range(layers)
            for side in "xyz"
        }
        assert len(policy.DependencyGraph(needs).dependents("0x")) == 3 * (layers - 1)


class TestGlobs:
    @pytest.mark.parametrize(
        ("glob", "path", "is_match"),
        [
            ("*.txt", "a.txt", True),
            ("*.txt", "d/a.txt", False),
            ("**/*.txt", "a.txt", True),
            ("**/*.txt", "d/e/a.txt", True),
            ("out/**", "out/d/a", True),
            ("out/**", "out", False),
            ("out/**", "output/a", False),
            ("./out/*", "out/a", True),
            ("out/", "out", True),
            ("a?c", "abc", True),
            ("a?c", "a/c", False),
            ("[ab]*", "b1", True),
            ("[!ab]*", "c1", True),
            ("[!ab]*", "a1", False),
            ("[!a]x", "/x", False),
            ("[", "[", True),
            ("a.c", "abc", False),
            ("*", ".hidden", True),
            ("x*", "x\ny", True),
            ("(a|b)+", "a", False),
            ("[a-c]", "b", True),
            ("[]]", "]", True),
            ("a\\b", "a\\b", True),
            ("[]a]x", "]x", True),
            ("[!]]x", "]x", False),
            ("[!]]x", "ax", True),
            ("[z-a]x", "zx", False),
            ("[9-0]/**", "9/x", False),
        ],
    )
    def test_a_glob_matches_names_and_double_stars_folders(self, glob: str, path: str, is_match: bool) -> None:
        assert bool(artifacts.glob_pattern(glob).match(path)) is is_match


class TestArtifacts:
    def test_a_large_tree_is_matched_in_time(self, tmp_path: Path) -> None:
        """Every folder matches too, so a comparison of each path with each folder would take minutes."""
        for number in range(2000):
            (tmp_path / "out" / str(number % 50) / str(number)).mkdir(parents=True)
            (tmp_path / "out" / str(number % 50) / str(number) / "x").touch()
        folder = files.JobFolder(str(tmp_path), files.open_folder(str(tmp_path)))
        report = artifacts.ArtifactCollector(folder, {"default": ["out/**", "out"]}, lambda: True).collect()
        assert len(report["copied_relative_paths"]) == 2000
        assert report["complete"] is True

    def test_when_there_is_no_time_nothing_is_called_complete(self, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        folder = files.JobFolder(str(tmp_path), files.open_folder(str(tmp_path)))
        report = artifacts.ArtifactCollector(folder, {"default": ["out/**"]}, lambda: False).collect()
        assert (report["complete"], report["missing"]) == (False, [{"path": ".", "reason": artifacts.TIME_WAS_OVER}])

    def test_a_name_that_is_no_text_is_copied_and_shown(self, tmp_path: Path) -> None:
        (Path(os.fsdecode(os.fsencode(tmp_path) + b"/odd-\xff"))).touch()
        folder = files.JobFolder(str(tmp_path), files.open_folder(str(tmp_path)))
        report = artifacts.ArtifactCollector(folder, {"default": ["odd*"]}, lambda: True).collect()
        assert report["copied_relative_paths"] == [r"odd-\xff"]
        payload = tmp_path / "artifacts" / "payload"
        assert [os.fsencode(path.name) for path in payload.iterdir()] == [b"odd-\xff"]

    def test_an_earlier_attempt_leaves_nothing_in_the_payload(self, tmp_path: Path) -> None:
        (tmp_path / "artifacts" / "payload").mkdir(parents=True)
        (tmp_path / "artifacts" / "payload" / "old").touch()
        (tmp_path / "new").touch()
        folder = files.JobFolder(str(tmp_path), files.open_folder(str(tmp_path)))
        artifacts.ArtifactCollector(folder, {"default": ["*"]}, lambda: True).collect()
        assert [path.name for path in (tmp_path / "artifacts" / "payload").iterdir()] == ["new"]

    def test_a_link_to_a_link_that_leads_out_is_not_kept(self, tmp_path: Path) -> None:
        root = tmp_path / "job"
        (root / "a" / "b").mkdir(parents=True)
        (root / "a" / "b" / "up").symlink_to("../../top")
        (root / "top").mkdir()
        (root / "sly").symlink_to("a/b/up/../../outside")
        folder = files.JobFolder(str(root), files.open_folder(str(root)))
        report = artifacts.ArtifactCollector(folder, {"default": ["sly"]}, lambda: True).collect()
        assert report["missing"] == [{"path": "sly", "reason": "the link leaves the job folder"}]


@pytest.fixture
def growing_log(tmp_path: Path) -> Iterator[tuple[Path, readiness.LogTail]]:
    path = tmp_path / "log"
    path.write_bytes(b"old line\n")
    tail = readiness.LogTail(os.open(path, os.O_RDONLY), path.stat().st_size)
    yield path, tail
    tail.close()


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as stream:
        stream.write(data)


class TestLogProbe:
    def test_a_log_that_cannot_be_read_just_now_is_asked_again(self) -> None:
        """A file server that fails for a moment costs nobody the job."""
        tail = readiness.LogTail(10**6, 0)  # every call fails, as for a stale handle
        probe = readiness.LogProbe(0.0, 60.0, "ready", tail)
        assert not probe.poll(1.0)
        assert probe.next_at > 1.0
        assert not probe.last_look()


class TestLogTail:
    def test_only_new_lines_are_seen(self, growing_log: tuple[Path, readiness.LogTail]) -> None:
        path, tail = growing_log
        append(path, b"one\ntw")
        assert tail.read_lines() == ["one"]
        append(path, b"o\r\n")
        assert tail.read_lines() == ["two"]

    def test_an_unfinished_line_counts_once_it_stands_still(self, growing_log: tuple[Path, readiness.LogTail]) -> None:
        path, tail = growing_log
        append(path, b"prompt> ")
        assert [tail.read_lines() for _ in range(3)] == [[], ["prompt> "], []]

    def test_bytes_that_are_no_text_are_replaced(self, growing_log: tuple[Path, readiness.LogTail]) -> None:
        path, tail = growing_log
        append(path, b"\xff\xfeready\n")
        assert tail.read_lines() == ["\ufffd\ufffdready"]

    def test_an_endless_line_is_cut_and_takes_bounded_memory(self, growing_log: tuple[Path, readiness.LogTail]) -> None:
        path, tail = growing_log
        for _ in range(8):
            append(path, b"x" * 1024 * 1024)
            lines = tail.read_lines()
            assert all(len(line) <= readiness.LINE_LIMIT for line in lines)
        assert len(tail._rest) <= readiness.LINE_LIMIT

    def test_a_log_that_was_emptied_is_read_from_its_start(self, growing_log: tuple[Path, readiness.LogTail]) -> None:
        path, tail = growing_log
        path.write_bytes(b"new\n")
        assert tail.read_lines() == ["new"]


class TestNetwork:
    def test_a_listening_port_answers_and_a_free_one_does_not(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            assert readiness.tcp_answers("127.0.0.1", port) is True
        with pytest.raises(OSError):
            readiness.tcp_answers("127.0.0.1", port)

    @pytest.mark.parametrize(
        ("answer", "status"),
        [(b"HTTP/1.1 204 No Content\r\n\r\n", 204), (b"HTTP/1.0 302 Found\r\nLocation: /x\r\n\r\n", 302)],
    )
    def test_the_status_is_read_and_a_redirect_not_followed(self, answer: bytes, status: int) -> None:
        seen: list[bytes] = []
        with socket.create_server(("127.0.0.1", 0)) as server:
            thread = threading.Thread(target=_answer_once, args=(server, answer, seen))
            thread.start()
            assert readiness.http_status(f"http://127.0.0.1:{server.getsockname()[1]}/a b?q=\u00fc#x") == status
            thread.join()
        assert seen[0].startswith(b"GET /a%20b?q=%C3%BC HTTP/1.1\r\nHost: 127.0.0.1:")

    def test_what_is_not_http_is_no_answer(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            thread = threading.Thread(target=_answer_once, args=(server, b"SSH-2.0-OpenSSH\r\n", []))
            thread.start()
            with pytest.raises(ValueError, match="no HTTP answer"):
                readiness.http_status(f"http://127.0.0.1:{server.getsockname()[1]}/")
            thread.join()

    def test_a_server_that_says_nothing_costs_a_bounded_time(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(OSError):
            readiness.http_status(f"http://127.0.0.1:{server.getsockname()[1]}/", timeout_s=0.2)

    @pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/", "http:///x", "nonsense"])
    def test_other_addresses_are_refused(self, url: str) -> None:
        with pytest.raises(ValueError, match="not an http"):
            readiness.http_status(url)

    def test_ports_of_a_job_differ(self) -> None:
        taken: set[int] = set()
        holders = [host.reserve_port(taken) for _ in range(50)]
        assert len(taken) == len({holder.getsockname()[1] for holder in holders}) == 50
        for holder in holders:
            holder.close()


class TestText:
    def test_control_and_invisible_characters_are_spelled_out(self) -> None:
        assert talk.printable("a\x1b[2Jb\u202ec\n") == r"a\x1b[2Jb\u202ec\n"
        assert talk.printable("Grüße \udcff") == r"Grüße \udcff"

    def test_a_variable_name_has_upper_case_letters_digits_and_underscores(self) -> None:
        assert host.variable_name("my.app-2") == "MY_APP_2"

    @pytest.mark.parametrize(
        ("environment", "ids"),
        [
            ({"SLURM_JOB_ID": "41"}, ("41", "41")),
            ({"SLURM_JOB_ID": "43", "SLURM_ARRAY_JOB_ID": "41", "SLURM_ARRAY_TASK_ID": "2"}, ("41_2", "41")),
        ],
    )
    def test_the_job_id_names_array_and_task(self, environment: dict[str, str], ids: tuple[str, str]) -> None:
        assert start.own_job_id(environment) == ids

    @pytest.mark.parametrize("job_id", ["", "../41", "41 ", "0", "x"])
    def test_what_is_no_job_id_is_refused(self, job_id: str) -> None:
        with pytest.raises(talk.Refused):
            start.own_job_id({"SLURM_JOB_ID": job_id})


def _answer_once(server: socket.socket, answer: bytes, seen: list[bytes]) -> None:
    connection, _ = server.accept()
    with connection:
        seen.append(connection.recv(4096))
        connection.sendall(answer)


def _defined(module: ast.Module) -> Iterator[str]:
    """The names that a module defines on its top level."""
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name))


def _oldest_python() -> str | None:
    for minor in range(6, 11):
        found = shutil.which(f"python3.{minor}")
        if found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
            return found
        for folder in sorted((Path.home() / ".pyenv" / "versions").glob(f"3.{minor}.*")):
            if (folder / "bin" / "python3").exists():
                return str(folder / "bin" / "python3")
    return None


class TestKillWait:
    def test_the_sites_configuration_says_how_long_teardown_may_take(self, tmp_path: Path) -> None:
        (tmp_path / "slurm.conf").write_text("ClusterName=c\n#KillWait=90\nkillwait = 7 # seconds\n")
        assert host.kill_wait_s({"SLURM_CONF": str(tmp_path / "slurm.conf")}) == 7.0

    def test_a_node_without_a_configuration_of_its_own_has_slurms_default(self, tmp_path: Path) -> None:
        assert host.kill_wait_s({}, [str(tmp_path / "none")]) == 30.0
        (tmp_path / "slurm.conf").write_text("ClusterName=c\n")
        assert host.kill_wait_s({}, [str(tmp_path), str(tmp_path / "slurm.conf")]) == 30.0

    def test_the_environment_has_the_last_word(self, tmp_path: Path) -> None:
        (tmp_path / "slurm.conf").write_text("KillWait=7\n")
        environment = {"SLURM_CONF": str(tmp_path / "slurm.conf"), "HPC_COMPOSE_KILL_WAIT_S": "4"}
        assert host.kill_wait_s(environment) == 4.0
