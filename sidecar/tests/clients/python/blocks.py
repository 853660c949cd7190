"""Uses secrets, configuration, bindings and locks through the published Python client, and prints what it has done."""

import json
import queue
import sys

from dapr.clients import DaprClient
from dapr.clients.exceptions import DaprGrpcError
from dapr.clients.grpc._response import UnlockResponseStatus
from items import set_item

done = []

with DaprClient() as client:
    assert client.get_secret("secrets", "top").secret == {"top": "secret"}
    assert client.get_secret("secrets", "nested:inner").secret == {"nested:inner": "deep"}
    assert client.get_secret("env", "TEST_SECRET_1").secret == {"TEST_SECRET_1": "secret_val_1"}
    every = client.get_bulk_secret("secrets").secrets
    assert every == {"top": {"top": "secret"}, "nested:inner": {"nested:inner": "deep"}}, every
    try:
        client.get_secret("nowhere", "top")
    except Exception as error:  # The client passes gRPC's own on.
        assert "INVALID_ARGUMENT" in str(error), error
        done.append("secrets")

    set_item("limit", "ten", 1)
    set_item("other", "o", 1)
    items = client.get_configuration("configuration", ["limit", "missing"]).items
    assert {key: (item.value, item.version) for key, item in items.items()} == {"limit": ("ten", "1")}, items
    told = queue.Queue()
    subscription = client.subscribe_configuration(
        "configuration", ["limit"], lambda _id, response: told.put((_id, response.items))
    )
    assert subscription
    set_item("limit", "twelve", 2)
    heard, items = told.get(timeout=60)
    assert heard == subscription
    assert items["limit"].value == "twelve" and items["limit"].version == "2", items
    assert client.unsubscribe_configuration("configuration", subscription)
    done.append("configuration")

    created = client.invoke_binding("files", "create", b"hello file", {"fileName": "note.txt"})
    found = client.invoke_binding("files", "get", binding_metadata={"fileName": "note.txt"})
    assert found.data == b"hello file", found.data
    listed = client.invoke_binding("files", "list")
    assert any(name.endswith("note.txt") for name in json.loads(listed.data)), listed.data
    client.invoke_binding("files", "delete", binding_metadata={"fileName": "note.txt"})
    answer = client.invoke_binding("web", "post", json.dumps({"n": 1}), {"path": "/orders"})
    assert json.loads(answer.data) == {"method": "POST", "path": "/base/orders", "body": '{"n": 1}'}, answer.data
    assert answer.binding_metadata["statusCode"] == "200", answer.binding_metadata
    try:
        client.invoke_binding("nowhere", "create", b"x")
    except Exception as error:
        assert "couldn't find output binding nowhere" in str(error), error
        done.append("bindings")

    assert client.try_lock("locks", "stock", "ann", 60).success
    assert not client.try_lock("locks", "stock", "bob", 60).success
    unlock = lambda owner: client.unlock("locks", "stock", owner).status
    assert unlock("bob") == UnlockResponseStatus.lock_belongs_to_others
    assert unlock("ann") == UnlockResponseStatus.success
    assert unlock("ann") == UnlockResponseStatus.lock_does_not_exist
    with client.try_lock("locks", "stock", "bob", 60) as lock:
        assert lock.success
    assert client.try_lock("locks", "stock", "ann", 60).success, "the lock is free after its block"
    done.append("locks")

print(*done)
sys.stdout.flush()
