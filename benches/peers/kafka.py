"""A Kafka broker for one run, and topics on it: filled from files, and read into files."""

import itertools
import socket
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from inputs import KAFKA
from peers import CACHE, KafkaStreams, Unavailable, quietly

# As Kafka's own scripts start a broker.
MACHINE = ["-Xms1g", "-Xmx1g", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"]
MACHINE += ["-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent"]
# Any will do, as long as the data is only this run's.
CLUSTER = "dGlkZWdhdGUtdGVzdC1jbA"
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{controller}
listeners=PLAINTEXT://{address},CONTROLLER://{controller}
advertised.listeners=PLAINTEXT://{address}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={home}/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
"""
# A broker is up within so many seconds, even on a slow machine.
START = 60
# So many suffice to fill a topic or to read it.
MOVE = 600

java = KafkaStreams().java
numbers = itertools.count(1)


class Broker:
    """One node on loopback, started when it is first needed, with data of its own that goes with it."""

    def __init__(self, partitions):
        self.partitions = partitions
        self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        self.process = None
        self.home.cleanup()

    def filled(self, input):
        """The same input, in a topic."""
        if self.process is None:
            self.start()
        topic = new_topic(self.address, input.workload.name, self.partitions)
        quietly(java("Fill", input.records, topic), MOVE)
        return replace(input, records=topic)

    def start(self):
        KafkaStreams().install({KAFKA})
        self.home = tempfile.TemporaryDirectory(prefix="broker-", dir=CACHE)
        self.address, controller = free_addresses()
        home = Path(self.home.name)
        properties = home / "server.properties"
        properties.write_text(
            PROPERTIES.format(address=self.address, controller=controller, home=home)
        )
        quietly(java("kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", properties))
        with (home / "log").open("w") as log:
            self.process = subprocess.Popen(
                list(map(str, java("Broker", properties, machine=MACHINE))),
                # It ends when this is closed, however this program ends.
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        host, port = self.address.split(":")
        for _ in range(START * 10):
            with socket.socket() as client:
                if client.connect_ex((host, int(port))) == 0:
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        said = (home / "log").read_text().strip().split("\n")
        self.stop()
        raise Unavailable(f"the broker does not come up: {said[-1]}")


def free_addresses():
    """Two of them, held until both are found, so that they differ."""
    with socket.socket() as one, socket.socket() as other:
        for listener in (one, other):
            listener.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{listener.getsockname()[1]}" for listener in (one, other)]


def new_topic(address, name, partitions):
    """A topic that was not there before."""
    name = f"{name}-{next(numbers)}"
    create = ["--create", "--topic", name, "--partitions", partitions]
    quietly(java("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", address, *create))
    return f"kafka://{address}/{name}"


def beside(topic, name, partitions):
    """A new topic on the same broker."""
    return new_topic(topic.split("/")[2], name, partitions)


def read(topic, file):
    """Writes to a file what is in a topic."""
    quietly(java("Drain", topic, file), MOVE)
