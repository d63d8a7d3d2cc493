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
_ANSWER_SOON: Final = 2.0


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
                "enable.partition.eof": True,
                # How long the events of a process that was killed wait for the next one; brokers allow no less.
                "session.timeout.ms": 6000,
                "heartbeat.interval.ms": 2000,
                "topic.metadata.refresh.interval.ms": 2000,
                "reconnect.backoff.max.ms": 2000,
                "queued.max.messages.kbytes": 16384,
                "log_level": 2,  # an absent broker is an error too, and comes here once a minute, not at every attempt
                "error_cb": self._complain,
            },
            logger=logging.getLogger("midca.kafka"),
        )
        self._complained: dict[int, float] = {}
        self._subscription: list[str] = []
        self._ended: set[tuple[str, int]] = set()

    def subscribe(self, topics: list[str]) -> None:
        """Read these names and patterns from now on; what was read of them stays read."""
        if topics != self._subscription:
            self._subscription = topics
            self._ended.clear()
            self._consumer.subscribe(topics)

    def batch(self, wait: float) -> list[Message]:
        """Return the messages that are there, waiting at most ``wait`` seconds for the first."""
        first = self._consumer.poll(wait)
        if first is None:
            return []
        messages = [first, *self._consumer.consume(_BATCH - 1, timeout=0)]
        return [message for message in messages if self._is_whole(message)]

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

    def lag(self) -> Counter[str]:
        """Return how many messages of each topic are still to be read, as far as the last answers of Kafka say."""
        behind: Counter[str] = Counter()
        for partition in self._consumer.position(self._consumer.assignment()):
            _, high = self._consumer.get_watermark_offsets(partition, cached=True)
            behind[partition.topic] += max(0, high - partition.offset) if partition.offset >= 0 else 0
        return behind

    def joined(self) -> bool:
        """Return whether Kafka answers and has this process in the group."""
        try:
            self._consumer.list_topics(timeout=_ANSWER_SOON)
        except KafkaException:
            return False
        return bool(self._consumer.memberid())

    def drained(self) -> bool:
        """Return whether all that Kafka has of the subscribed topics was read."""
        try:
            existing = {topic for topic in self._consumer.list_topics(timeout=_ANSWER).topics if self._wanted(topic)}
        except KafkaException as error:
            self._complain(error.args[0])
            return False
        partitions = {(partition.topic, partition.partition) for partition in self._consumer.assignment()}
        return existing <= {topic for topic, _ in partitions} and partitions <= self._ended

    def close(self) -> None:
        """Leave the group, so that another process need not wait for a time-out."""
        self._consumer.close()

    def _is_whole(self, message: Message) -> bool:
        """Return whether this is a message, and not what the library has to say between messages."""
        place, error = (message.topic() or "", message.partition() or 0), message.error()
        if error is None:
            self._ended.discard(place)
        elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 -- its public name
            self._ended.add(place)
        else:
            self._complain(error)
        return error is None

    def _wanted(self, topic: str) -> bool:
        return any(re.search(name, topic) if name.startswith("^") else name == topic for name in self._subscription)

    def _complain(self, error: KafkaError) -> None:
        """Log an error of Kafka, one of a kind a minute."""
        now, kind = time.monotonic(), error.code()
        if now - self._complained.get(kind, -_REPEATED_AFTER) >= _REPEATED_AFTER:
            self._complained[kind] = now
            _log.warning("Kafka: %s", error.str()[:300], extra={"fields": {"kafka_code": error.name()}})
        if error.fatal():
            raise KafkaException(error)
