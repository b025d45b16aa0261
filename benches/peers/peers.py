"""The systems: how each is installed, what its version is, how it is run and how its output is read.

The lanes that a system takes part in are those that `notes` has a remark for.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import changes
from inputs import FILE, KAFKA, LATENCY, MEMORY, NEXMARK

HERE = Path(__file__).resolve().parent
CACHE = HERE / ".cache"


class Unavailable(Exception):
    """Why a system can't be had on this machine."""


class System:
    """What all have in common."""

    # Whether it counts, and is not Tidegate.
    is_peer = True

    def takes(self, workload):
        return workload.lane in self.notes


class Sql:
    """A system with Nexmark's queries as files of SQL: it takes part in those that there are."""

    def query(self, workload):
        return HERE / self.name / "nexmark" / f"{workload.query}.sql"

    def takes(self, workload):
        there = workload.lane != NEXMARK or self.query(workload).exists()
        return super().takes(workload) and there


class Tidegate(System):
    """The command line, as a user would call it; `TIDEGATE` names another binary."""

    name = "tidegate"
    is_peer = False
    notes = {
        FILE: "counts the batch numbers of the sliding count as words, too",
        MEMORY: "as many batches in flight as by default: 2",
        KAFKA: "4 batches in flight; at least once; saves nothing to go on from",
        LATENCY: "a batch every 3 ms, 4 in flight; at least once; saves nothing to go on from",
        NEXMARK: "writes what went as well as what came",
    }

    def __init__(self):
        built = HERE.parents[1] / "target/release/tidegate"
        self.binary = Path(os.environ.get("TIDEGATE", built)).resolve()

    def install(self, lanes):
        if not os.access(self.binary, os.X_OK):
            raise Unavailable(f"no {self.binary}: `cargo build --release`, or set TIDEGATE")
        if MEMORY in lanes and not os.access(self.in_memory(), os.X_OK):
            example = "`cargo build --release --example memory`"
            raise Unavailable(f"no {self.in_memory()}: {example}")

    def in_memory(self):
        """What counts in memory is a program by itself, beside the command line."""
        return self.binary.parent / "examples/memory"

    def version(self):
        said = subprocess.run([self.binary, "--version"], check=True, capture_output=True, text=True)
        return said.stdout.split()[-1]

    def command(self, input, output, cores):
        workload = input.workload
        if workload.lane == MEMORY:
            return [self.in_memory(), cores, input.records, output, workload.batch, *window(input)]
        command = [self.binary, "--quiet", "run"]
        if workload.lane == NEXMARK:
            command += [f"nexmark-{workload.query}"]
        elif workload.window is None:
            command += ["wordcount"]
        else:
            command += ["windowed-wordcount", "--window", f"{workload.window}s"]
        command += ["--workers", str(cores)]
        if workload.lane in (KAFKA, LATENCY):
            # One is read, one counted, one written, and one waits for the broker's acknowledgements.
            command += ["--source", input.records, "--in-flight", "4"]
            if workload.lane == LATENCY:
                sink = f"{output}?key=1&linger.ms=1"
                return command + ["--sink", sink, "--interval", "3ms"]
            command += ["--sink", f"{output}?key=1&shards={cores}"]
            batch = workload.batch // cores
        else:
            command += ["--source", f"file:{input.records}", "--sink", f"jsonl:{output}"]
            command += ["--output", "changes"]
            batch = workload.batch
        return command + ["--trigger", "available-now", "--records-per-partition", batch]

    fold = staticmethod(changes.tidegate)
    rows = staticmethod(changes.tidegate_rows)


class TidegateSaved(Tidegate):
    """The same, as a job that can go on where it was."""

    name = "tidegate-saved"
    notes = {KAFKA: "exactly once: with `--checkpoint`, each batch a transaction"}

    def command(self, input, output, cores):
        return [*super().command(input, output, cores), "--checkpoint", "checkpoint"]


class Rust(System):
    """A package of its own, with the crate that it is about."""

    def install(self, _lanes):
        needs("cargo")
        build(
            ["cargo", "build", "--release", "--locked", "--quiet", "--manifest-path", self.manifest()]
            + ["--target-dir", self.place()]
        )

    def manifest(self):
        return HERE / self.name / "Cargo.toml"

    def place(self):
        return CACHE / self.name

    def version(self):
        return re.search(rf'{self.crate} = .*"=([\d.]+)"', self.manifest().read_text())[1]


class Dbsp(Rust):
    """Feldera's engine, as a crate."""

    name = crate = "dbsp"
    notes = dict.fromkeys([FILE, MEMORY, NEXMARK], "a step for each batch")

    def command(self, input, output, cores):
        binary = self.place() / "release/dbsp-peer"
        workload = input.workload
        lane = ["--memory"] if workload.lane == MEMORY else []
        if workload.lane == NEXMARK:
            lane = ["--nexmark", workload.query]
        return [binary, *lane, cores, input.records, output, workload.batch, *window(input)]

    def takes(self, workload):
        # It has no sessions.
        return super().takes(workload) and (workload.lane != NEXMARK or workload.query != "q11")

    fold = staticmethod(changes.dbsp)
    rows = staticmethod(changes.signed_rows)


class Python(System):
    """A package of PyPI, in a virtual environment of its own."""

    def install(self, _lanes):
        needs("python3")
        requirements = HERE / self.name / "requirements.txt"
        stamp = self.environment() / "installed"
        if stamp.exists() and stamp.read_text() == requirements.read_text():
            return
        build(["python3", "-m", "venv", "--clear", self.environment()])
        build([self.environment() / "bin/pip", "install", "--quiet", "-r", requirements])
        stamp.write_text(requirements.read_text())

    def environment(self):
        return CACHE / "venv" / self.name

    def version(self):
        return (HERE / self.name / "requirements.txt").read_text().strip().split("==")[1]

    def python(self, *arguments):
        return [self.environment() / "bin/python", *arguments]


class Bytewax(Python):
    name = "bytewax"
    notes = {
        FILE: "one worker: its workers share Python's lock",
        KAFKA: "at least once; saves nothing to go on from; one worker, as from a file",
    }

    def command(self, input, output, cores):
        # What is called, with its arguments, goes in as Python.
        given = [str(input.records), str(output), input.workload.batch, *window(input)]
        flow = f"{HERE / self.name / 'flow.py'}:flow({', '.join(map(repr, given))})"
        return self.python("-m", "bytewax.run", flow)

    fold = staticmethod(changes.last_rows)


class Pathway(Python):
    name = "pathway"
    notes = {FILE: "the whole file as one batch"}

    def command(self, input, output, cores):
        program = HERE / self.name / "count.py"
        return ["env", f"PATHWAY_THREADS={cores}"] + self.python(
            program, input.records, output, *window(input)
        )

    fold = staticmethod(changes.pathway)


class Spark(Sql, Python):
    name = "spark"
    notes = {
        FILE: "a file for each batch, with checkpoints, which it can't do without",
        KAFKA: "at least once, with checkpoints, which it can't do without",
        LATENCY: "a batch as soon as the last has ended; at least once, with checkpoints",
        NEXMARK: "a file for each batch, with checkpoints, which it can't do without",
    }

    def install(self, lanes):
        needs("java")
        super().install(lanes)
        if lanes & {KAFKA, LATENCY}:
            compile_with_maven(self.name)

    def command(self, input, output, cores):
        if input.workload.lane == NEXMARK:
            program = HERE / self.name / "nexmark.py"
            return self.python(
                program, input.directory, output, cores, self.query(input.workload)
            )
        command = self.python(HERE / self.name / "count.py")
        if input.workload.lane in (KAFKA, LATENCY):
            way = "--kafka" if input.workload.lane == KAFKA else "--prompt"
            jars = ",".join(map(str, sorted((CACHE / self.name / "lib").iterdir())))
            return [*command, way, jars, input.records, output, cores, input.workload.batch]
        return [*command, input.directory, output, cores, *window(input)]

    fold = staticmethod(changes.last_rows)
    rows = staticmethod(changes.keyed_rows)


class Java(System):
    """A program with its pom, in Java."""

    # Of the Java machine.
    options = []

    def install(self, _lanes):
        compile_with_maven(self.folder)

    def version(self):
        pom = (HERE / self.folder / "pom.xml").read_text()
        return re.search(r"<(flink|kafka).version>(.*)</", pom)[2]

    def java(self, program, *arguments, machine=("-Xmx4g",)):
        place = CACHE / self.folder
        classes = f"{place}/classes:{place}/lib/*"
        return ["java", *machine, *self.options, "-cp", classes, program, *arguments]


class Flink(Sql, Java):
    """Flink SQL, in a cluster within one process."""

    name = folder = "flink"
    notes = {
        FILE: "mini-batches; windows come out whole when they close",
        KAFKA: "mini-batches; at least once; saves nothing to go on from",
        LATENCY: "no mini-batches; buffers wait 10 ms; at least once; saves nothing to go on from",
        NEXMARK: "mini-batches, distinct counts split in two",
    }
    # Of what Flink's own scripts open to reflection.
    opens = ["java.base/java.util", "java.base/java.lang", "java.base/java.time"]
    options = [f"--add-opens={package}=ALL-UNNAMED" for package in opens]

    def command(self, input, output, cores):
        workload = input.workload
        batch = 0 if workload.lane == LATENCY else workload.batch
        arguments = [cores, input.records, output, batch]
        if workload.lane == NEXMARK:
            return self.java("Nexmark", *arguments, self.query(workload))
        return self.java("Count", *arguments, *window(input))

    fold = staticmethod(changes.last_rows)
    rows = staticmethod(changes.signed_rows)


class KafkaStreams(Java):
    """Kafka's own library for streams. What runs the broker lies in its folder, too."""

    name = folder = "kafka-streams"
    notes = {
        KAFKA: "at least once; state also in a topic; has no end: closed after the last record",
        LATENCY: "no cache; at least once; state also in a topic",
    }
    options = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]

    def command(self, input, output, cores):
        prompt = ["--prompt"] if input.workload.lane == LATENCY else []
        return self.java("Count", cores, input.records, output, *prompt)

    fold = staticmethod(changes.last_rows)


class BareLoop(KafkaStreams):
    """Kafka's consumer and producer alone."""

    name = "bare-loop"
    is_peer = False
    notes = {KAFKA: "counts nothing: writes each record as it was read"}

    def command(self, input, output, cores):
        return self.java("Loop", cores, input.records, output)

    fold = staticmethod(changes.records)


class RdkafkaLoop(Rust):
    """The same with librdkafka's, which Tidegate reads and writes with, too."""

    name = "rdkafka-loop"
    crate = "rdkafka"
    is_peer = False
    notes = BareLoop.notes

    def command(self, input, output, cores):
        return [self.place() / "release/rdkafka-loop", cores, input.records, output]

    fold = staticmethod(changes.records)


PEERS = [TidegateSaved, Dbsp, Bytewax, Pathway, Spark, Flink, KafkaStreams, BareLoop, RdkafkaLoop]


def window(input):
    return [] if input.workload.window is None else [input.workload.window]


def compile_with_maven(folder):
    """Fetches what a pom names, and compiles what is beside it, where that has changed."""
    needs("java", "mvn")
    stamp = CACHE / folder / "installed"
    sources = [HERE / folder / "pom.xml", *sorted((HERE / folder).rglob("*.java"))]
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    if not (stamp.exists() and stamp.read_text() == digest):
        # No jars of an earlier version are to stay.
        shutil.rmtree(CACHE / folder, ignore_errors=True)
        build(["mvn", "--batch-mode", "--quiet", "-f", sources[0], "compile"])
        stamp.write_text(digest)


def needs(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Unavailable(f"no `{program}` on this machine")


def build(command):
    """Runs a command that may take its time, and so is shown."""
    print(f"  {' '.join(map(str, command))}", file=sys.stderr)
    quietly(command)


def quietly(command, timeout=None):
    """Runs a command, and shows what it said only where it fails."""
    try:
        done = subprocess.run(
            list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"`{Path(command[0]).name}` is not done after {timeout} s") from None
    if done.returncode:
        # Colours of a terminal are no reason.
        said = re.sub(r"\x1b\[[\d;]*m", "", done.stdout).split("\n")
        said = [line.strip() for line in said if line.strip()] or ["no reason given"]
        errors = [line for line in said if "error" in line.lower()]
        raise Unavailable(f"`{Path(command[0]).name}` fails: {(errors or said)[0]}")
