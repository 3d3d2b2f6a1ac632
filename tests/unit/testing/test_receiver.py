"""The receiver that crash tests count on must itself count right."""

import http.client
import json
import socket

import pytest

from aie.testing.receiver import Counts, Receiver, read_counts


def send(receiver: Receiver, key: str, body: dict[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", receiver.port)
    connection.request("POST", "/", json.dumps(body), {"Idempotency-Key": key})
    status = connection.getresponse().status
    connection.close()
    return status


def test_each_key_is_applied_once_and_what_should_not_be_is_counted(tmp_path):
    """Repeats are harmless; another body or another key for the same thing is not: the controls of every campaign."""
    log = tmp_path / "log.jsonl"
    with Receiver(log) as receiver:
        assert send(receiver, "k1", {"pay": "1"}) == 200
        assert send(receiver, "k1", {"pay": "1"}) == 200
        assert receiver.counts() == Counts(deliveries=2, applied=1, repeats=1, other_body=0, other_key=0)
        assert send(receiver, "k1", {"pay": "2"}) == 422
        assert send(receiver, "k2", {"pay": "1"}) == 200
    assert read_counts(log) == Counts(deliveries=4, applied=2, repeats=1, other_body=1, other_key=1)


@pytest.mark.parametrize("sent", [b"", b'{"pay": '])
def test_what_was_not_sent_whole_is_not_applied(tmp_path, sent):
    """Its sender died in the midst of it, and delivers it again: that is no other body."""
    with Receiver(tmp_path / "log.jsonl") as receiver:
        with socket.create_connection(("127.0.0.1", receiver.port)) as dying:
            dying.sendall(b"POST / HTTP/1.1\r\nIdempotency-Key: k1\r\nContent-Length: 12\r\n\r\n" + sent)
            dying.shutdown(socket.SHUT_WR)
            assert dying.recv(1) == b""
        assert receiver.counts().deliveries == 0
        assert send(receiver, "k1", {"pay": "1"}) == 200


def test_a_restarted_receiver_remembers(tmp_path):
    """Its log is its memory."""
    log = tmp_path / "log.jsonl"
    with Receiver(log) as receiver:
        send(receiver, "k1", {"pay": "1"})
    with Receiver(log) as receiver:
        send(receiver, "k1", {"pay": "1"})
        assert receiver.counts().repeats == 1


def test_a_receiver_that_was_never_reached_has_counted_nothing(tmp_path):
    """No log is no delivery."""
    assert read_counts(tmp_path / "none.jsonl").deliveries == 0
