"""Kafka's side: one consumer over all topics, offsets that are committed by hand."""

from __future__ import annotations

import logging
import re
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from app.frontends.device_events.configuration import Configuration

_log = logging.getLogger("midca.events")
_BATCH: Final = 200
_REPEATED_AFTER: Final = 60.0
_ANSWER: Final = 5.0


class Stream:
    """Messages of the subscribed topics, from the first that Kafka still has; a new topic is seen within seconds.

    Nothing is lost while Kafka is away: the library connects again by itself, as often as it takes.
    """

    def __init__(self, configuration: Configuration) -> None:
        """Prepare the consumer; it connects in the background."""
        self._consumer = Consumer(
            {
                "bootstrap.servers": configuration.brokers,
                "group.id": configuration.group,
                "client.id": "midca",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "topic.metadata.refresh.interval.ms": 2000,
                "reconnect.backoff.max.ms": 2000,
                "queued.max.messages.kbytes": 16384,
                "log.connection.close": False,
                "error_cb": self._complain,
            },
            logger=logging.getLogger("midca.kafka"),
        )
        self._complained: dict[str, float] = {}
        self._subscription: list[str] = []

    def subscribe(self, topics: list[str]) -> None:
        """Read these names and patterns from now on; what was read of them stays read."""
        self._subscription = topics
        self._consumer.subscribe(topics)

    def batch(self, wait: float) -> list[Message]:
        """Return the messages that are there, waiting at most ``wait`` seconds for the first."""
        first = self._consumer.poll(wait)
        if first is None:
            return []
        messages = [first, *self._consumer.consume(_BATCH - 1, timeout=0)]
        for message in messages:
            if error := message.error():
                self._complain(error)
        return [message for message in messages if not message.error()]

    def done(self, messages: Sequence[Message], *, wait: bool = False) -> None:
        """Commit that these are applied. A commit that fails is made good by the next one, or they come again."""
        following: dict[tuple[str, int], int] = {}
        for message in messages:
            following[message.topic() or "", message.partition() or 0] = (message.offset() or 0) + 1
        offsets = [TopicPartition(topic, partition, offset) for (topic, partition), offset in following.items()]
        try:
            if wait:
                self._consumer.commit(offsets=offsets, asynchronous=False)
            else:
                self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            self._complain(error.args[0])

    def lag(self) -> dict[str, int]:
        """Return how many messages of each topic are still to be read, as far as the last answers of Kafka say."""
        behind: Counter[str] = Counter()
        for partition in self._consumer.position(self._consumer.assignment()):
            marks = self._marks(partition, cached=True)
            behind[partition.topic] += max(0, marks[1] - partition.offset) if marks and partition.offset >= 0 else 0
        return dict(behind)

    def drained(self) -> bool:
        """Ask Kafka whether all that it has of the subscribed topics was read."""
        try:
            existing = {topic for topic in self._consumer.list_topics(timeout=_ANSWER).topics if self._wanted(topic)}
            partitions = self._consumer.position(self._consumer.assignment())
            return existing <= {partition.topic for partition in partitions} and all(map(self._at_end, partitions))
        except KafkaException as error:
            self._complain(error.args[0])
            return False

    def close(self) -> None:
        """Leave the group, so that another process need not wait for a time-out."""
        self._consumer.close()

    def _at_end(self, partition: TopicPartition) -> bool:
        marks = self._marks(partition)
        if marks is None:
            return False
        low, high = marks
        read = partition.offset
        if read < 0:  # nothing came since the start: where the group was before counts, or the first one there is
            read = max(low, self._consumer.committed([partition], timeout=_ANSWER)[0].offset)
        return read >= high

    def _marks(self, partition: TopicPartition, *, cached: bool = False) -> tuple[int, int] | None:
        return self._consumer.get_watermark_offsets(partition, timeout=_ANSWER, cached=cached)

    def _wanted(self, topic: str) -> bool:
        return any(re.search(name, topic) if name.startswith("^") else name == topic for name in self._subscription)

    def _complain(self, error: KafkaError) -> None:
        """Log an error of Kafka, the same one once a minute."""
        now, text = time.monotonic(), str(error)
        if now - self._complained.get(text, -_REPEATED_AFTER) >= _REPEATED_AFTER:
            self._complained = {
                text: now,
                **{old: at for old, at in self._complained.items() if now - at < _REPEATED_AFTER},
            }
            _log.warning("Kafka: %s", error.str()[:300], extra={"fields": {"kafka_code": error.name()}})
        if error.fatal():
            raise KafkaException(error)
