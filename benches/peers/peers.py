"""The systems: how each is installed, what its version is, how it is run and how its output is read."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import changes

HERE = Path(__file__).resolve().parent
CACHE = HERE / ".cache"


class Unavailable(Exception):
    """Why a system can't be had on this machine."""


class Tidegate:
    """The command line, as a user would call it; `TIDEGATE` names another binary."""

    name = "tidegate"
    counts_in_memory = True
    note = "counts the batch numbers of the sliding count as words, too"

    def __init__(self):
        built = HERE.parents[1] / "target/release/tidegate"
        self.binary = Path(os.environ.get("TIDEGATE", built)).resolve()

    def install(self):
        if not os.access(self.binary, os.X_OK):
            raise Unavailable(f"no {self.binary}: `cargo build --release`, or set TIDEGATE")

    def install_in_memory(self):
        """What counts in memory is a program by itself, beside the command line."""
        if not os.access(self.in_memory(), os.X_OK):
            example = "`cargo build --release --example memory`"
            raise Unavailable(f"no {self.in_memory()}: {example}")

    def in_memory(self):
        return self.binary.parent / "examples/memory"

    def version(self):
        said = subprocess.run([self.binary, "--version"], check=True, capture_output=True, text=True)
        return said.stdout.split()[-1]

    def command(self, input, output, cores):
        workload = input.workload
        if workload.memory:
            return [self.in_memory(), cores, input.records, output, workload.batch, *window(input)]
        command = [self.binary, "--quiet", "run"]
        if workload.window is None:
            command += ["wordcount"]
        else:
            command += ["windowed-wordcount", "--window", f"{workload.window}s"]
        command += ["--source", f"file:{input.records}", "--trigger", "available-now"]
        command += ["--records-per-partition", str(workload.batch), "--workers", str(cores)]
        return command + ["--sink", f"jsonl:{output}", "--output", "changes"]

    fold = staticmethod(changes.tidegate)


class Dbsp:
    """Feldera's engine, as a crate."""

    name = "dbsp"
    counts_in_memory = True
    note = "a step for each batch"

    def install(self):
        needs("cargo")
        manifest = HERE / "dbsp/Cargo.toml"
        quietly(
            ["cargo", "build", "--release", "--locked", "--quiet", "--manifest-path", manifest]
            + ["--target-dir", CACHE / "dbsp"]
        )

    def version(self):
        manifest = (HERE / "dbsp/Cargo.toml").read_text()
        return re.search(r'dbsp = .*"=([\d.]+)"', manifest)[1]

    def command(self, input, output, cores):
        binary = CACHE / "dbsp/release/dbsp-peer"
        memory = ["--memory"] if input.workload.memory else []
        arguments = [cores, input.records, output, input.workload.batch, *window(input)]
        return [binary, *memory, *arguments]

    fold = staticmethod(changes.dbsp)


class Python:
    """A package of PyPI, in a virtual environment of its own."""

    counts_in_memory = False

    def install(self):
        needs("python3")
        requirements = HERE / self.name / "requirements.txt"
        stamp = self.environment() / "installed"
        if stamp.exists() and stamp.read_text() == requirements.read_text():
            return
        quietly(["python3", "-m", "venv", "--clear", self.environment()])
        quietly([self.environment() / "bin/pip", "install", "--quiet", "-r", requirements])
        stamp.write_text(requirements.read_text())

    def environment(self):
        return CACHE / "venv" / self.name

    def version(self):
        return (HERE / self.name / "requirements.txt").read_text().strip().split("==")[1]

    def python(self, *arguments):
        return [self.environment() / "bin/python", *arguments]


class Bytewax(Python):
    name = "bytewax"
    note = "one worker: its workers share Python's lock"

    def command(self, input, output, cores):
        # What is called, with its arguments, goes in as Python.
        given = [str(input.records), str(output), input.workload.batch, *window(input)]
        flow = f"{HERE / self.name / 'flow.py'}:flow({', '.join(map(repr, given))})"
        return self.python("-m", "bytewax.run", flow)

    fold = staticmethod(changes.last_rows)


class Pathway(Python):
    name = "pathway"
    note = "the whole file as one batch"

    def command(self, input, output, cores):
        program = HERE / self.name / "count.py"
        return ["env", f"PATHWAY_THREADS={cores}"] + self.python(
            program, input.records, output, *window(input)
        )

    fold = staticmethod(changes.pathway)


class Spark(Python):
    name = "spark"
    note = "a file for each batch, with checkpoints, which it can't do without"

    def install(self):
        needs("java")
        super().install()

    def command(self, input, output, cores):
        program = HERE / self.name / "count.py"
        return self.python(program, input.directory, output, cores, *window(input))

    fold = staticmethod(changes.last_rows)


class Flink:
    """Flink SQL, in a cluster within one process."""

    name = "flink"
    counts_in_memory = False
    note = "mini-batches; windows come out whole when they close"
    # Of what Flink's own scripts open to reflection.
    opens = ["java.base/java.util", "java.base/java.lang", "java.base/java.time"]

    def install(self):
        needs("java", "mvn")
        stamp = CACHE / "flink/installed"
        sources = sorted((HERE / "flink").rglob("*.*"))
        text = b"".join(source.read_bytes() for source in sources if source.is_file())
        digest = hashlib.sha256(text).hexdigest()
        if not (stamp.exists() and stamp.read_text() == digest):
            quietly(["mvn", "--batch-mode", "--quiet", "-f", HERE / "flink/pom.xml", "compile"])
            stamp.write_text(digest)

    def version(self):
        pom = (HERE / "flink/pom.xml").read_text()
        return re.search(r"<flink.version>(.*)</flink.version>", pom)[1]

    def command(self, input, output, cores):
        opens = [f"--add-opens={package}=ALL-UNNAMED" for package in self.opens]
        place = CACHE / "flink"
        command = ["java", "-Xmx4g", *opens, "-cp", f"{place}/classes:{place}/lib/*", "Count"]
        return command + [cores, input.records, output, input.workload.batch, *window(input)]

    fold = staticmethod(changes.last_rows)


PEERS = [Dbsp, Bytewax, Pathway, Spark, Flink]


def window(input):
    return [] if input.workload.window is None else [input.workload.window]


def needs(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Unavailable(f"no `{program}` on this machine")


def quietly(command):
    """Runs a command, and shows what it said only where it fails."""
    print(f"  {' '.join(map(str, command))}", file=sys.stderr)
    done = subprocess.run(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        # Colours of a terminal are no reason.
        said = re.sub(r"\x1b\[[\d;]*m", "", done.stdout).split("\n")
        said = [line.strip() for line in said if line.strip()] or ["no reason given"]
        errors = [line for line in said if "error" in line.lower()]
        raise Unavailable(f"`{Path(command[0]).name}` fails: {(errors or said)[0]}")
