"""The aws command line as people use it: waiters, pages, log tails, listings, refusals."""
import base64
import json
import os
import signal
import subprocess
import time
import unittest

from harness import AWS, ECHO, ROLE, ServerTest, make_zip


class CommandLine(ServerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.zip = f"{cls.server.data}/code.zip"
        with open(cls.zip, "wb") as f:
            f.write(make_zip({"index.js": ECHO}))

    def aws(self, *arguments, **more):
        return self.server.aws(*arguments, **more)

    def function(self, name, code=ECHO):
        """Made by boto3: each call of the command line costs most of a second."""
        self.server.client("lambda").create_function(FunctionName=name, Runtime="nodejs22.x", Role=ROLE, Handler="index.handler", Code={"ZipFile": make_zip({"index.js": code})})
        return name

    def invoke(self, name, payload, *more):
        out = f"{self.server.data}/{name}.out"
        with open(f"{self.server.data}/{name}.in", "wb") as f:
            f.write(payload)
        answer = self.aws("lambda", "invoke", "--function-name", name, "--payload", f"fileb://{self.server.data}/{name}.in", *more, out)
        with open(out) as f:
            return answer, f.read()

    def version(self):
        done = subprocess.run([AWS, "--version"], capture_output=True, text=True, timeout=60)
        return (done.stdout + done.stderr).split("/")[1][:2]

    def test_waiters(self):
        name = "waits"
        self.aws("lambda", "create-function", "--function-name", name, "--runtime", "nodejs22.x", "--role", ROLE, "--handler", "index.handler", "--zip-file", f"fileb://{self.zip}")
        done = self.aws("lambda", "wait", "function-exists", "--function-name", name, check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        self.aws("lambda", "wait", "function-active-v2", "--function-name", name)
        self.assertEqual(self.aws("lambda", "update-function-code", "--function-name", name, "--zip-file", f"fileb://{self.zip}")["LastUpdateStatus"], "InProgress")
        self.aws("lambda", "wait", "function-updated-v2", "--function-name", name)
        version = self.aws("lambda", "publish-version", "--function-name", name)["Version"]
        self.aws("lambda", "wait", "published-version-active", "--function-name", name, "--qualifier", version)

    def test_pages(self):
        for i in range(5):
            self.function(f"page-{i}")
        lam = self.server.client("lambda")
        lam.publish_version(FunctionName="page-1")
        mine = lambda page: [f["FunctionName"] for f in page["Functions"] if f["FunctionName"].startswith("page-")]  # noqa: E731
        self.assertEqual(mine(self.aws("lambda", "list-functions", "--page-size", "2")), [f"page-{i}" for i in range(5)])
        seen, token = [], None
        while True:
            page = self.aws("lambda", "list-functions", "--max-items", "3", *(["--starting-token", token] if token else []))
            self.assertLessEqual(len(page["Functions"]), 3)
            seen += mine(page)
            token = page.get("NextToken")
            if not token:
                break
        self.assertEqual(seen, [f"page-{i}" for i in range(5)])
        every = self.aws("lambda", "list-functions", "--function-version", "ALL", "--page-size", "2")["Functions"]
        self.assertEqual([(f["FunctionName"], f["Version"]) for f in every if f["FunctionName"] == "page-1"], [("page-1", "$LATEST"), ("page-1", "1")])
        self.assertTrue(next(f for f in every if f["FunctionName"] == "page-1")["FunctionArn"].endswith(":page-1:$LATEST"))
        versions = self.aws("lambda", "list-versions-by-function", "--function-name", "page-1", "--page-size", "1")["Versions"]
        self.assertEqual([v["Version"] for v in versions], ["$LATEST", "1"])
        for name in ("a", "b", "c"):
            lam.create_alias(FunctionName="page-1", Name=name, FunctionVersion="1")
        self.assertEqual([a["Name"] for a in self.aws("lambda", "list-aliases", "--function-name", "page-1", "--page-size", "1")["Aliases"]], ["a", "b", "c"])

    def test_layers(self):
        with open(self.zip, "rb") as f:
            self.server.client("lambda").publish_layer_version(LayerName="shared", Content={"ZipFile": f.read()}, CompatibleRuntimes=["nodejs22.x"])
        made = self.aws("lambda", "publish-layer-version", "--layer-name", "shared", "--zip-file", f"fileb://{self.zip}", "--compatible-runtimes", "nodejs22.x", "nodejs20.x")
        got = self.aws("lambda", "get-layer-version-by-arn", "--arn", made["LayerVersionArn"])
        self.assertEqual(got["Version"], 2)
        with open(self.zip, "rb") as f:
            self.assertEqual(subprocess.run(["curl", "-sf", got["Content"]["Location"]], capture_output=True, timeout=20).stdout, f.read())
        self.assertEqual([v["Version"] for v in self.aws("lambda", "list-layer-versions", "--layer-name", "shared", "--page-size", "1")["LayerVersions"]], [2, 1])
        self.assertEqual(self.aws("lambda", "list-layers", "--compatible-runtime", "nodejs22.x")["Layers"][0]["LatestMatchingVersion"]["Version"], 2)

    def test_invoke_with_log_tail(self):
        self.function("tails")
        answer, body = self.invoke("tails", b'{"q": 1}', "--log-type", "Tail")
        self.assertEqual(json.loads(json.loads(body)["body"])["event"], {"q": 1})
        self.assertRegex(base64.b64decode(answer["LogResult"]).decode(), r"START RequestId: .*\nEND RequestId: .*\nREPORT RequestId: .*\tBilled Duration: \d+ ms\t")

    def test_logs_tail_follow(self):
        if self.version() != "2.":
            self.skipTest("aws logs tail is of version 2")
        lam = self.server.client("lambda")
        self.function("says", "exports.handler = async (e) => { console.log('said ' + e.n); };\n")
        lam.invoke(FunctionName="says", Payload=b'{"n": "before"}')
        env = dict(os.environ, AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_DEFAULT_REGION="us-east-1", AWS_CONFIG_FILE="/dev/null", AWS_SHARED_CREDENTIALS_FILE="/dev/null", PYTHONUNBUFFERED="1")
        out = open(self.zip + ".out", "w+")
        self.addCleanup(out.close)
        follow = subprocess.Popen([AWS, "--endpoint-url", self.server.endpoint, "logs", "tail", "/aws/lambda/says", "--follow", "--since", "5m"], env=env, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)

        def wait_for(text):
            for _ in range(300):
                with open(self.zip + ".out") as f:
                    if text in f.read():
                        return
                time.sleep(0.05)
            with open(self.zip + ".out") as f:
                self.fail(f"no {text!r} in: {f.read()}")

        try:
            wait_for("said before")
            lam.invoke(FunctionName="says", Payload=b'{"n": "after"}')
            wait_for("said after")
        finally:
            os.killpg(follow.pid, signal.SIGINT)
            follow.wait(10)
        with open(self.zip + ".out") as f:
            lines = f.read().splitlines()
        self.assertEqual(sum("said before" in line for line in lines), 1, lines)
        self.assertFalse([line for line in lines if not line.strip()], "no empty lines between events")

    def test_rest_api(self):
        client = self.server.client("apigateway")
        api = self.aws("apigateway", "create-rest-api", "--name", "cli")
        root = client.get_resources(restApiId=api["id"])["items"][0]["id"]
        resource = self.aws("apigateway", "create-resource", "--rest-api-id", api["id"], "--parent-id", root, "--path-part", "pets")
        for method in ("GET", "POST"):
            client.put_method(restApiId=api["id"], resourceId=resource["id"], httpMethod=method, authorizationType="NONE")
        plain = self.aws("apigateway", "get-resources", "--rest-api-id", api["id"])["items"]
        self.assertEqual({r["path"]: r.get("resourceMethods") for r in plain}, {"/": None, "/pets": {"GET": {}, "POST": {}}})
        full = self.aws("apigateway", "get-resources", "--rest-api-id", api["id"], "--embed", "methods")["items"]
        methods = next(r for r in full if r["path"] == "/pets")["resourceMethods"]
        self.assertEqual(methods["GET"], {"httpMethod": "GET", "authorizationType": "NONE", "apiKeyRequired": False})
        first = self.aws("apigateway", "get-resources", "--rest-api-id", api["id"], "--max-items", "1")
        self.assertEqual(len(first["items"]), 1)
        rest = self.aws("apigateway", "get-resources", "--rest-api-id", api["id"], "--starting-token", first["NextToken"])
        self.assertEqual({r["path"] for r in first["items"] + rest["items"]}, {"/", "/pets"})
        self.aws("apigateway", "delete-rest-api", "--rest-api-id", api["id"])

    def test_refusals_are_readable(self):
        done = self.aws("lambda", "get-function", "--function-name", "none", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("An error occurred (ResourceNotFoundException) when calling the GetFunction operation: Function not found: arn:aws:lambda:us-east-1:000000000000:function:none", done.stderr)
        done = self.aws("ecs", "list-clusters", check=False)
        self.assertIn("(NotImplemented) when calling the ListClusters operation", done.stderr)
        self.assertEqual(self.aws("sts", "get-caller-identity"), {"UserId": "000000000000", "Account": "000000000000", "Arn": "arn:aws:iam::000000000000:root"})

    def test_logs(self):
        logs = self.server.client("logs")
        logs.create_log_group(logGroupName="cli")
        logs.create_log_stream(logGroupName="cli", logStreamName="s")
        now = int(time.time() * 1000)
        self.aws("logs", "put-log-events", "--log-group-name", "cli", "--log-stream-name", "s", "--log-events", json.dumps([{"timestamp": now + i, "message": f"m{i}"} for i in range(5)]))
        events = self.aws("logs", "filter-log-events", "--log-group-name", "cli", "--page-size", "2")["events"]
        self.assertEqual([e["message"] for e in events], [f"m{i}" for i in range(5)])
        page = self.aws("logs", "filter-log-events", "--log-group-name", "cli", "--max-items", "2")
        self.assertEqual(len(page["events"]), 2)
        page = self.aws("logs", "filter-log-events", "--log-group-name", "cli", "--starting-token", page["NextToken"])
        self.assertEqual([e["message"] for e in page["events"]], ["m2", "m3", "m4"])


if __name__ == "__main__":
    unittest.main()
