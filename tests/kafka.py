"""A real Kafka broker (KRaft, one node) for the tests that read events, and what they write to it.

``.ci/run`` fetches its jars; the test that needs it is skipped on a machine without them and fails where CI=true.
"""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Self

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.acceptance.server import free_port
from tests.conftest import require_tool

JARS = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "midca-ci" / "kafka"
PARTITIONS = 10
"""As many as dojot's Kafka gives to a topic."""
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
log.dirs={data}
num.partitions={partitions}
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
group.initial.rebalance.delay.ms=0
"""


def require_kafka() -> None:
    """Skip the test, or fail it in CI, when there is no Java or no Kafka."""
    require_tool("java")
    if not any(JARS.glob("kafka_*.jar")):
        message = f"there is no Kafka in {JARS}; .ci/run fetches it"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


class Kafka:
    """A broker with a port and a data directory that outlive its process."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._properties = base / "server.properties"
        base.mkdir(parents=True)
        text = _PROPERTIES.format(port=self.port, controller=free_port(), data=base / "data", partitions=PARTITIONS)
        self._properties.write_text(text)
        self._java("kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c").wait(60)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def brokers(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        self.process = self._java("kafka.Kafka")
        deadline = time.monotonic() + 60
        while True:
            try:
                AdminClient({"bootstrap.servers": self.brokers, "log_level": 0}).list_topics(timeout=1)
            except KafkaException:
                assert self.process.poll() is None, (self.base / "log").read_text()
                assert time.monotonic() < deadline, (self.base / "log").read_text()
            else:
                return

    def stop(self) -> None:
        """End it as a power cut does; what it acknowledged is in the page cache and comes back."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def make_topic(self, name: str, partitions: int = PARTITIONS) -> None:
        admin = AdminClient({"bootstrap.servers": self.brokers, "log_level": 0})
        for future in admin.create_topics([NewTopic(name, partitions, 1)]).values():
            future.result(30)

    def empty(self) -> None:
        """Delete all topics and forget how far any group has read."""
        admin = AdminClient({"bootstrap.servers": self.brokers, "log_level": 0})
        topics = [name for name in admin.list_topics(timeout=10).topics if not name.startswith("__")]
        groups = [found.group_id for found in admin.list_consumer_groups().result(10).valid]
        for future in (admin.delete_topics(topics) if topics else {}).values():
            future.result(30)
        for future in (admin.delete_consumer_groups(groups) if groups else {}).values():
            try:
                future.result(30)
            except KafkaException as error:  # the broker itself forgets a group whose last topic is gone
                if error.args[0].code() != KafkaError.GROUP_ID_NOT_FOUND:
                    raise
        while any(name in topics for name in admin.list_topics(timeout=10).topics):
            time.sleep(0.05)

    def send(self, topic: str, *messages: Any, **where: int) -> None:
        """Write messages, in partitions that Kafka chooses unless ``partition`` says; wait until they are kept."""
        undelivered = []
        producer = Producer({"bootstrap.servers": self.brokers, "log_level": 0})  # remembers no topic that was deleted
        for message in messages:
            value = message if isinstance(message, bytes) else json.dumps(message).encode()
            producer.produce(
                topic, value, on_delivery=lambda error, _: undelivered.append(error) if error else None, **where
            )
            producer.poll(0)
        assert producer.flush(30) == 0
        assert undelivered == []

    def committed(self, group: str, topic: str) -> int:
        """Return how many messages of a topic the group has committed."""
        consumer = Consumer({"bootstrap.servers": self.brokers, "group.id": group, "log_level": 0})
        try:
            partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
            return sum(max(0, found.offset) for found in consumer.committed(partitions, timeout=10))
        finally:
            consumer.close()

    def read_again(self, group: str, topic: str) -> None:
        """Put the group's offsets back to the beginning, as an operator does to have everything once more."""
        consumer = Consumer({"bootstrap.servers": self.brokers, "group.id": group, "log_level": 0})
        try:
            consumer.commit(
                offsets=[TopicPartition(topic, number, 0) for number in range(PARTITIONS)], asynchronous=False
            )
        finally:
            consumer.close()

    def _java(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        options = ["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", f"{JARS}/*"]
        with (self.base / "log").open("ab") as log:
            return subprocess.Popen(
                ["java", *options, program, *arguments, self._properties],
                stdout=log,
                stderr=log,
                cwd=self.base,
                start_new_session=True,
            )
