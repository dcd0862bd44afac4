"""SAVIA_SOAK_SECONDS (600) of mixed load on one server: the edge, Lambda and every control plane at once, everything that is made
removed again. Nothing fails, and memory, descriptors and threads are at the end what they were after the warm-up."""
import http.client
import itertools
import json
import os
import pathlib
import re
import socket
import statistics
import threading
import time
import unittest

from botocore.exceptions import ClientError

from harness import ROLE, Server, create_function, make_zip

SECONDS = int(os.environ.get("SAVIA_SOAK_SECONDS", "600"))
WARM_UP = 0.3     # of the time: caches, pools and the allocator's arenas fill
GROWTH = 0.10     # that memory may have grown by the end
SLACK_MIB = 16    # or this much
SAMPLE_S = 2.0
ECHO = "exports.handler = async (event) => ({ statusCode: 200, body: JSON.stringify({ path: event.path || event.rawPath }), headers: { 'x-pad': 'x'.repeat(1000) } });\n"
BIG = b"x" * 200_000


class Load(threading.Thread):
    """Runs one action over and over until told to stop; remembers what went wrong."""

    def __init__(self, name, action, stop):
        super().__init__(daemon=True)
        self.name, self.action, self.stop, self.done, self.problems = name, action, stop, 0, []

    def run(self):
        for i in itertools.count():
            if self.stop.is_set() or len(self.problems) > 10:
                return
            try:
                self.action(i)
                self.done += 1
            except Exception as e:  # noqa: BLE001: whatever it is, it is the finding
                self.problems.append(f"{self.name} {i}: {type(e).__name__}: {e}")


def expect(what, wanted, got):
    if wanted != got:
        raise AssertionError(f"{what}: {got}, not {wanted}")


class Actions:
    def __init__(self, server):
        self.server, self.keep = server, threading.local()
        clients = {name: server.client(name) for name in ("lambda", "apigateway", "apigatewayv2", "logs")}
        self.lam, self.rest, self.http, self.logs = clients.values()
        for name in ("echo", "async"):
            create_function(self.lam, name, {"index.js": ECHO})
        self.rest_id = self.make_rest("kept")
        self.http_id = self.http.create_api(Name="kept", ProtocolType="HTTP", Target=self.arn("echo"))["ApiId"]

    def arn(self, name):
        return f"arn:aws:lambda:us-east-1:000000000000:function:{name}"

    def make_rest(self, name):
        api = self.rest.create_rest_api(name=name)["id"]
        root = self.rest.get_resources(restApiId=api)["items"][0]["id"]
        for part, kind in (("mock", "MOCK"), ("fn", "AWS_PROXY")):
            key = {"restApiId": api, "resourceId": self.rest.create_resource(restApiId=api, parentId=root, pathPart=part)["id"], "httpMethod": "ANY"}
            self.rest.put_method(**key, authorizationType="NONE")
            if kind == "MOCK":
                self.rest.put_integration(**key, type="MOCK", requestTemplates={"application/json": '{"statusCode":200}'})
                self.rest.put_method_response(**key, statusCode="200")
                self.rest.put_integration_response(**key, statusCode="200")
            else:
                self.rest.put_integration(**key, type=kind, integrationHttpMethod="POST", uri=f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{self.arn('echo')}/invocations")
        self.rest.create_deployment(restApiId=api, stageName="dev")
        return api

    # The edge: kept connections, new ones, large bodies, clients that leave.
    def edge(self, i):
        if i % 50 == 0:
            old = getattr(self.keep, "c", None)
            if old:
                old.close()
            self.keep.c = http.client.HTTPConnection("127.0.0.1", self.server.edge_port, timeout=30)
        path, api, status = (("/dev/mock", self.rest_id, 200), ("/dev/fn?a=1", self.rest_id, 200), ("/any/path", self.http_id, 200), ("/dev/none", self.rest_id, 403))[i % 4]
        self.keep.c.request("POST" if i % 8 == 1 else "GET", path, body=BIG if i % 8 == 1 else None, headers={"Host": f"{api}.execute-api.localhost", "X-I": str(i)})
        answer = self.keep.c.getresponse()
        body = answer.read()
        expect(f"{path}: {body[:200]}", status, answer.status)

    def leaving(self, i):
        """Clients that send half, or do not wait for the answer."""
        host = f"{self.rest_id}.execute-api.localhost"
        for port, text in ((self.server.edge_port, f"POST /dev/fn HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100000\r\n\r\nhalf"),
                           (self.server.edge_port, f"GET /dev/fn HTTP/1.1\r\nHost: {host}\r\n\r\n"),
                           (self.server.port, "POST /2015-03-31/functions/echo/invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n{"),
                           (self.server.edge_port, "\x16\x03\x01 nonsense\r\n\r\n")):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
                s.sendall(text.encode("latin-1"))
                if i % 2:
                    s.shutdown(socket.SHUT_WR)
        time.sleep(0.02)

    def invoke(self, i):
        if i % 10 == 9:
            expect("asynchronous invocation", 202, self.lam.invoke(FunctionName="async", InvocationType="Event", Payload=b"{}")["StatusCode"])
            time.sleep(0.02)
            return
        answer = self.lam.invoke(FunctionName="echo", Payload=json.dumps({"path": f"/{i}", "pad": "y" * (i % 5 * 10_000)}).encode(), LogType="Tail")
        expect("path", f"/{i}", json.loads(json.loads(answer["Payload"].read())["body"])["path"])

    def functions(self, i):
        name = f"f{i}"
        create_function(self.lam, name, make_zip({"index.js": ECHO + f"// {i}\n"}))
        self.lam.invoke(FunctionName=name, Payload=b"{}")["Payload"].read()
        self.lam.update_function_code(FunctionName=name, ZipFile=make_zip({"index.js": ECHO + f"// {i} again\n"}))
        self.lam.publish_version(FunctionName=name)
        self.lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
        layer = self.lam.publish_layer_version(LayerName="l", Content={"ZipFile": make_zip({"nodejs/a.js": f"// {i}"})})["Version"]
        self.lam.delete_layer_version(LayerName="l", VersionNumber=layer)
        self.lam.list_functions()
        self.lam.delete_function(FunctionName=name)
        try:
            self.lam.get_function(FunctionName=name)
            raise AssertionError("a deleted function is there")
        except ClientError as e:
            expect("status", 404, e.response["ResponseMetadata"]["HTTPStatusCode"])

    def apis(self, i):
        api = self.make_rest(f"a{i}")
        status, _, _ = self.server.edge(api, "/dev/mock")
        expect("a new API", 200, status)
        self.rest.delete_rest_api(restApiId=api)
        api = self.http.create_api(Name=f"h{i}", ProtocolType="HTTP", Target=self.arn("echo"))["ApiId"]
        expect("a new HTTP API", 200, self.server.edge(api, "/x")[0])
        self.http.delete_api(ApiId=api)

    def log_groups(self, i):
        group = f"/soak/{i}"
        self.logs.create_log_group(logGroupName=group)
        self.logs.create_log_stream(logGroupName=group, logStreamName="s")
        now = int(time.time() * 1000)
        self.logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=[{"timestamp": now + n, "message": f"line {n} " + "z" * 200} for n in range(200)])
        expect("events found", 11, len(self.logs.filter_log_events(logGroupName=group, filterPattern='"line 9"')["events"]) if i % 2 else 11)
        self.logs.get_log_events(logGroupName=group, logStreamName="s", limit=50)
        self.logs.delete_log_group(logGroupName=group)
        # What invocations log; by its age it would go with a retention.
        self.logs.filter_log_events(logGroupName="/aws/lambda/echo", filterPattern="REPORT", limit=20)


def used(pid):
    """Memory in MiB, descriptors and threads of the server process, and memory of its helper processes."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    rss = int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024
    return {"MiB": rss, "descriptors": len(os.listdir(f"/proc/{pid}/fd")), "threads": int(re.search(r"Threads:\s+(\d+)", text)[1])}


class Soak(unittest.TestCase):
    def test_memory_is_flat(self):
        server = Server()
        self.addCleanup(server.close)
        actions, stop = Actions(server), threading.Event()
        plan = [actions.edge, actions.edge, actions.edge, actions.leaving, actions.invoke, actions.invoke, actions.functions, actions.apis, actions.log_groups]
        loads = [Load(action.__name__, action, stop) for action in plan]
        for load in loads:
            load.start()
        begun, samples = time.monotonic(), []
        while time.monotonic() - begun < SECONDS and all(load.is_alive() for load in loads):
            time.sleep(SAMPLE_S)
            samples.append((time.monotonic() - begun, used(server.process.pid)))
        stop.set()
        for load in loads:
            load.join(120)
        problems = [p for load in loads for p in load.problems]
        done = ", ".join(f"{load.done} {load.name}" for load in loads)
        self.assertEqual(problems, [], done)
        steady = [u for at, u in samples if at > WARM_UP * SECONDS]
        part = max(1, len(steady) // 5)
        first = {k: statistics.median(u[k] for u in steady[:part]) for k in steady[0]}
        last = {k: statistics.median(u[k] for u in steady[-part:]) for k in steady[0]}
        print(f"done: {done}; after warm-up {first}; at the end {last}", flush=True)
        self.assertLess(last["MiB"], first["MiB"] + max(first["MiB"] * GROWTH, SLACK_MIB))
        self.assertLess(last["descriptors"], first["descriptors"] + 40)
        self.assertLess(last["threads"], first["threads"] + 4)


if __name__ == "__main__":
    unittest.main()
