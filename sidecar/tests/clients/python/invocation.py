"""Calls methods of an app through the published Python client, over the protocol that is named, and prints what it has
done."""

import json
import sys

from dapr.clients import DaprClient
from dapr.conf import settings

protocol, app_protocol = sys.argv[1:]
settings.DAPR_API_METHOD_INVOCATION_PROTOCOL = protocol
done = []

with DaprClient() as client:
    response = client.invoke_method(
        "app", "echo", data=json.dumps({"id": 1}), content_type="application/json", http_verb="POST"
    )
    said = response.json()
    assert said["method"] == ("POST" if app_protocol == "http" else "echo"), said
    assert json.loads(said["body"]) == {"id": 1}, said
    assert response.content_type.startswith("application/json"), response.content_type
    done.append("post")

    response = client.invoke_method(
        "app", "echo", data=b"", http_verb="GET", http_querystring=(("a", "1"), ("b", "x y"))
    )
    if app_protocol == "http":
        assert response.json()["query"] == {"a": "1", "b": "x y"}, response.text()
    done.append("query")

    response = client.invoke_method("app", "bytes", data=bytes(range(256)), http_verb="POST")
    assert response.data == bytes(reversed(range(256))), response.data
    done.append("bytes")

    try:
        client.invoke_method("app", "refuse", data=b"", http_verb="POST")
    except Exception as error:
        # The client tells of HTTP no more than the status, and Dapr of an HTTP app no more than that over gRPC.
        expected = {
            ("http", "http"): "403",
            ("http", "grpc"): "500",
            ("grpc", "http"): "forbidden",
            ("grpc", "grpc"): "refused",
        }[protocol, app_protocol]
        assert expected in str(error).lower(), str(error)
        done.append("failure")

    try:
        client.invoke_method("nobody", "echo", data=b"", http_verb="POST")
    except Exception as error:
        assert "nobody" in str(error), repr(error)
        done.append("nobody")

print(*done)
