"""Uses the state and metadata APIs through the published Python client, and prints what it has done."""

from dapr.clients import DaprClient
from dapr.clients.exceptions import DaprGrpcError
from dapr.clients.grpc._request import TransactionalStateOperation, TransactionOperationType
from dapr.clients.grpc._state import Concurrency, Consistency, StateItem, StateOptions

STORE = "store"
done = []

with DaprClient() as client:
    client.save_state(STORE, "k", "v")
    client.save_bulk_state(STORE, [StateItem(key="a", value="1"), StateItem(key="b", value="2")])
    done.append("save")

    found = client.get_state(STORE, "k")
    assert found.data == b"v", found.data
    assert found.etag, "an etag is due"
    done.append("read")

    client.delete_state(STORE, "k")
    assert client.get_state(STORE, "k").data == b""
    done.append("delete")

    items = {item.key: item.data for item in client.get_bulk_state(STORE, ["a", "b", "k"]).items}
    assert items == {"a": b"1", "b": b"2", "k": b""}, items
    done.append("bulk")

    client.execute_state_transaction(
        STORE,
        [
            TransactionalStateOperation(key="c", data="3", operation_type=TransactionOperationType.upsert),
            TransactionalStateOperation(key="a", operation_type=TransactionOperationType.delete),
        ],
    )
    assert client.get_state(STORE, "c").data == b"3"
    assert client.get_state(STORE, "a").data == b""
    done.append("transaction")

    first = StateOptions(consistency=Consistency.strong, concurrency=Concurrency.first_write)
    client.save_state(STORE, "b", "4", etag=client.get_state(STORE, "b").etag, options=first)
    try:
        client.save_state(STORE, "b", "5", etag="999999", options=first)
    except DaprGrpcError as error:
        assert error.code().name == "ABORTED", error
        done.append("etag")

    client.save_state(STORE, "short", "x", state_metadata={"ttlInSeconds": "1"})
    while client.get_state(STORE, "short").data:
        pass
    done.append("ttl")

    client.set_metadata("by", "python")
    metadata = client.get_metadata()
    assert metadata.application_id == "app", metadata.application_id
    assert metadata.extended_metadata["by"] == "python"
    components = {component.name: component for component in metadata.registered_components}
    assert components[STORE].type == "state.in-memory", components
    assert "ETAG" in components[STORE].capabilities
    done.append("metadata")

print(*done)
