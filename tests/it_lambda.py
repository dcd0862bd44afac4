"""Lambda as its clients see it: boto3, the aws command line and plain HTTP against one server."""
import base64
import hashlib
import io
import json
import threading
import time
import urllib.request
import zipfile

from botocore.exceptions import ClientError

from harness import ECHO, ROLE, ServerTest, create_function, invoke, make_zip

LAYERED = "const { value } = require('shared'); exports.handler = async () => ({ value });\n"


def layer_zip(value):
    return make_zip({"nodejs/node_modules/shared/index.js": f"exports.value = {json.dumps(value)};\n"})


class Functions(ServerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lam = cls.server.client("lambda")

    def test_create_invoke_delete(self):
        made = create_function(self.lam, "hello", {"index.js": ECHO}, Environment={"Variables": {"AA": "1"}}, Timeout=5, Description="d")
        self.assertEqual(made["State"], "Pending")
        self.assertEqual(made["StateReasonCode"], "Creating")
        self.assertEqual(made["FunctionArn"], "arn:aws:lambda:us-east-1:000000000000:function:hello")
        got = self.lam.get_function(FunctionName="hello")
        code = urllib.request.urlopen(got["Code"]["Location"]).read()
        self.assertEqual(base64.b64encode(hashlib.sha256(code).digest()).decode(), got["Configuration"]["CodeSha256"])
        self.assertIn("index.js", zipfile.ZipFile(io.BytesIO(code)).namelist())
        answer, body = invoke(self.lam, "hello", {"x": "ñ"})
        self.assertEqual(answer["StatusCode"], 200)
        self.assertEqual(answer["ExecutedVersion"], "$LATEST")
        self.assertEqual(json.loads(body["body"])["event"], {"x": "ñ"})
        with self.assertRaises(ClientError) as e:
            create_function(self.lam, "hello", {"index.js": ECHO})
        self.assertEqual(e.exception.response["Error"]["Code"], "ResourceConflictException")
        self.assertEqual(e.exception.response["Error"]["Message"], "Function already exist: hello")
        self.lam.delete_function(FunctionName="hello")
        with self.assertRaises(self.lam.exceptions.ResourceNotFoundException) as e:
            self.lam.get_function(FunctionName="hello")
        self.assertEqual(e.exception.response["Error"]["Message"], "Function not found: arn:aws:lambda:us-east-1:000000000000:function:hello")

    def test_environment_of_a_function(self):
        code = "exports.handler = async (e, c) => ({ env: process.env, cwd: process.cwd(), uid: process.getuid(), left: c.getRemainingTimeInMillis(), ctx: c });\n"
        create_function(self.lam, "env", {"index.js": code}, Environment={"Variables": {"MINE": "yes"}}, MemorySize=256, Timeout=7)
        _, body = invoke(self.lam, "env")
        env = body["env"]
        for key, value in {"MINE": "yes", "_HANDLER": "index.handler", "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "AWS_EXECUTION_ENV": "AWS_Lambda_nodejs22.x",
                           "AWS_LAMBDA_FUNCTION_NAME": "env", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
                           "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/env", "LAMBDA_TASK_ROOT": "/var/task", "TZ": ":UTC", "LANG": "en_US.UTF-8"}.items():
            self.assertEqual(env.get(key), value, key)
        for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_ENDPOINT_URL", "LAMBDA_RUNTIME_DIR"):
            self.assertTrue(env.get(key), key)
        self.assertFalse([k for k in env if k.startswith("SAVIA")], "nothing of Savia's own leaks in")
        self.assertEqual(body["cwd"], "/var/task")
        self.assertNotEqual(body["uid"], 0)
        self.assertTrue(0 < body["left"] <= 7000)
        self.assertEqual(body["ctx"]["memoryLimitInMB"], "256")
        self.assertEqual(body["ctx"]["invokedFunctionArn"], "arn:aws:lambda:us-east-1:000000000000:function:env")

    def test_function_calls_aws_through_the_gateway_address(self):
        code = """
const http = require('http');
exports.handler = () => new Promise((done, fail) => {
  http.get(process.env.AWS_ENDPOINT_URL + '/_savia/health', (r) => { let b = ''; r.on('data', (d) => b += d); r.on('end', () => done({ status: r.statusCode })); }).on('error', fail);
});
"""
        create_function(self.lam, "calls", {"index.js": code}, Timeout=5)
        _, body = invoke(self.lam, "calls")
        self.assertEqual(body, {"status": 200})

    def test_layers_are_pinned_until_configuration_changes(self):
        one = self.lam.publish_layer_version(LayerName="shared", Content={"ZipFile": layer_zip("one")}, CompatibleRuntimes=["nodejs22.x"])
        self.assertEqual(one["Version"], 1)
        self.assertEqual(one["Description"], "")
        create_function(self.lam, "layered", {"index.js": LAYERED}, Layers=[one["LayerVersionArn"]])
        self.assertEqual(invoke(self.lam, "layered")[1], {"value": "one"})
        two = self.lam.publish_layer_version(LayerName="shared", Content={"ZipFile": layer_zip("two")})
        self.assertEqual(two["Version"], 2)
        self.assertEqual(invoke(self.lam, "layered")[1], {"value": "one"})
        self.lam.update_function_configuration(FunctionName="layered", Layers=[two["LayerVersionArn"]])
        self.lam.get_waiter("function_updated").wait(FunctionName="layered", WaiterConfig={"Delay": 1})
        self.assertEqual(invoke(self.lam, "layered")[1], {"value": "two"})
        self.lam.delete_layer_version(LayerName="shared", VersionNumber=2)
        self.assertEqual(invoke(self.lam, "layered")[1], {"value": "two"}, "a deleted version stays with the functions that use it")
        self.assertEqual([v["Version"] for v in self.lam.list_layer_versions(LayerName="shared")["LayerVersions"]], [1])
        got = self.lam.get_layer_version(LayerName="shared", VersionNumber=1)
        self.assertEqual(len(urllib.request.urlopen(got["Content"]["Location"]).read()), got["Content"]["CodeSize"])

    def test_layer_order_later_wins(self):
        a = self.lam.publish_layer_version(LayerName="order-a", Content={"ZipFile": layer_zip("a")})["LayerVersionArn"]
        b = self.lam.publish_layer_version(LayerName="order-b", Content={"ZipFile": layer_zip("b")})["LayerVersionArn"]
        create_function(self.lam, "ordered", {"index.js": LAYERED}, Layers=[a, b])
        self.assertEqual(invoke(self.lam, "ordered")[1], {"value": "b"})
        self.lam.update_function_configuration(FunctionName="ordered", Layers=[b, a])
        self.lam.get_waiter("function_updated").wait(FunctionName="ordered", WaiterConfig={"Delay": 1})
        self.assertEqual(invoke(self.lam, "ordered")[1], {"value": "a"})

    def test_errors_of_handlers(self):
        code = """
exports.throws = async () => { throw new TypeError('bad thing'); };
exports.exits = async () => process.exit(3);
exports.hangs = () => new Promise(() => setInterval(() => {}, 1000));
exports.callback = (event, context, done) => done(null, { via: 'callback' });
"""
        for name in ("throws", "exits", "hangs", "callback"):
            create_function(self.lam, f"err-{name}", {"index.js": code}, handler=f"index.{name}", Timeout=1)
        answer, body = invoke(self.lam, "err-throws", LogType="Tail")
        self.assertEqual(answer["FunctionError"], "Unhandled")
        self.assertEqual((body["errorType"], body["errorMessage"]), ("TypeError", "bad thing"))
        self.assertTrue(body["trace"][0].startswith("TypeError: bad thing"))
        log = base64.b64decode(answer["LogResult"]).decode()
        self.assertRegex(log, r"START RequestId: [0-9a-f-]{36} Version: \$LATEST")
        self.assertRegex(log, r"REPORT RequestId: [0-9a-f-]{36}\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\tMax Memory Used: \d+ MB")
        answer, body = invoke(self.lam, "err-exits")
        self.assertEqual(answer["FunctionError"], "Unhandled")
        self.assertEqual(body["errorType"], "Runtime.ExitError")
        self.assertRegex(body["errorMessage"], r"^RequestId: [0-9a-f-]{36} Error: Runtime exited with error: exit status 3$")
        start = time.monotonic()
        answer, body = invoke(self.lam, "err-hangs")
        self.assertLess(time.monotonic() - start, 4)
        self.assertEqual(body["errorType"], "Sandbox.Timedout")
        self.assertRegex(body["errorMessage"], r"^RequestId: [0-9a-f-]{36} Error: Task timed out after 1.00 seconds$")
        self.assertEqual(invoke(self.lam, "err-callback")[1], {"via": "callback"})

    def test_init_errors(self):
        create_function(self.lam, "no-module", {"other.js": ECHO})
        _, body = invoke(self.lam, "no-module")
        self.assertEqual(body["errorType"], "Runtime.ImportModuleError")
        self.assertIn("Cannot find module 'index'", body["errorMessage"])
        create_function(self.lam, "no-handler", {"index.js": "exports.other = 1;\n"})
        _, body = invoke(self.lam, "no-handler")
        self.assertEqual((body["errorType"], body["errorMessage"]), ("Runtime.HandlerNotFound", "index.handler is undefined or not exported"))
        create_function(self.lam, "bad-syntax", {"index.js": "exports.handler = async (=> {\n"})
        self.assertEqual(invoke(self.lam, "bad-syntax")[1]["errorType"], "Runtime.UserCodeSyntaxError")

    def test_module_kinds(self):
        create_function(self.lam, "esm", {"index.mjs": "import { basename } from 'node:path';\nexport const handler = async (e) => ({ base: basename(e.p) });\n"})
        self.assertEqual(invoke(self.lam, "esm", {"p": "/a/b"})[1], {"base": "b"})
        create_function(self.lam, "nested", {"src/app.js": "exports.api = { main: async () => 'deep' };\n"}, handler="src/app.api.main")
        self.assertEqual(invoke(self.lam, "nested")[1], "deep")
        layer = self.lam.publish_layer_version(LayerName="esm-shared", Content={"ZipFile": make_zip({"nodejs/node_modules/esm-shared/index.mjs": "export const v = 'esm layer';\n", "nodejs/node_modules/esm-shared/package.json": json.dumps({"name": "esm-shared", "exports": "./index.mjs"})})})
        create_function(self.lam, "esm-layer", {"index.mjs": "import { v } from 'esm-shared';\nexport const handler = async () => v;\n"}, Layers=[layer["LayerVersionArn"]])
        self.assertEqual(invoke(self.lam, "esm-layer")[1], "esm layer")

    def test_python(self):
        code = "import os\ndef main(event, context):\n    print('hola')\n    return {'n': event['n'] + 1, 'name': context.function_name, 'left': context.get_remaining_time_in_millis() > 0}\n"
        create_function(self.lam, "py", {"app.py": code}, runtime="python3.11", handler="app.main")
        self.assertEqual(invoke(self.lam, "py", {"n": 1})[1], {"n": 2, "name": "py", "left": True})

    def test_custom_runtime(self):
        bootstrap = """#!/bin/sh
set -eu
while true; do
  head=$(mktemp)
  event=$(curl -sS -D "$head" "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next")
  id=$(grep -i '^Lambda-Runtime-Aws-Request-Id:' "$head" | tr -d '\\r' | cut -d' ' -f2)
  curl -sS -X POST "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/$id/response" -d "{\\"got\\":$event}" > /dev/null
done
"""
        create_function(self.lam, "custom", {"bootstrap": bootstrap}, runtime="provided.al2023", handler="x", Timeout=5)
        self.assertEqual(invoke(self.lam, "custom", {"a": 1})[1], {"got": {"a": 1}})
        self.assertEqual(invoke(self.lam, "custom", [2])[1], {"got": [2]})

    def test_missing_runtime_is_named_not_replaced(self):
        # Whichever Node this machine does not have: Debian's own is 18, others bring 20 or newer.
        state = lambda runtime: json.loads(self.server.request("GET", f"/_savia/runtimes/{runtime}")[1])
        missing = next(r for r in ("nodejs18.x", "nodejs20.x", "nodejs24.x") if not state(r)["installed"])
        create_function(self.lam, "old-node", {"index.js": ECHO}, runtime=missing)
        with self.assertRaises(ClientError) as e:
            invoke(self.lam, "old-node")
        self.assertIn(f"savia runtime install {missing}", e.exception.response["Error"]["Message"])

    def test_versions_and_aliases(self):
        create_function(self.lam, "ver", {"index.js": "exports.handler = async () => 1;\n"})
        self.assertEqual(self.lam.publish_version(FunctionName="ver")["Version"], "1")
        self.assertEqual(self.lam.publish_version(FunctionName="ver")["Version"], "1", "nothing changed since")
        self.lam.update_function_code(FunctionName="ver", ZipFile=make_zip({"index.js": "exports.handler = async () => 2;\n"}))
        self.lam.get_waiter("function_updated").wait(FunctionName="ver", WaiterConfig={"Delay": 1})
        self.assertEqual(self.lam.publish_version(FunctionName="ver")["Version"], "2")
        self.lam.create_alias(FunctionName="ver", Name="live", FunctionVersion="1")
        answer, body = invoke(self.lam, "ver", Qualifier="live")
        self.assertEqual((body, answer["ExecutedVersion"]), (1, "1"))
        self.lam.update_alias(FunctionName="ver", Name="live", FunctionVersion="2")
        self.assertEqual(invoke(self.lam, "ver", Qualifier="live")[1], 2)
        self.assertEqual(invoke(self.lam, "ver:1")[1], 1)
        self.lam.update_alias(FunctionName="ver", Name="live", RoutingConfig={"AdditionalVersionWeights": {"1": 0.5}})
        self.assertEqual({invoke(self.lam, "ver", Qualifier="live")[1] for _ in range(40)}, {1, 2})

    def test_policy_and_tags(self):
        create_function(self.lam, "pol", {"index.js": ECHO}, Tags={"a": "1"})
        self.lam.add_permission(FunctionName="pol", StatementId="s1", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com", SourceArn="arn:aws:execute-api:us-east-1:000000000000:x/*")
        policy = json.loads(self.lam.get_policy(FunctionName="pol")["Policy"])
        self.assertEqual(policy["Statement"][0]["Sid"], "s1")
        self.assertEqual(policy["Statement"][0]["Principal"], {"Service": "apigateway.amazonaws.com"})
        self.lam.remove_permission(FunctionName="pol", StatementId="s1")
        with self.assertRaises(self.lam.exceptions.ResourceNotFoundException):
            self.lam.get_policy(FunctionName="pol")
        arn = "arn:aws:lambda:us-east-1:000000000000:function:pol"
        self.lam.tag_resource(Resource=arn, Tags={"b": "2"})
        self.lam.untag_resource(Resource=arn, TagKeys=["a"])
        self.assertEqual(self.lam.list_tags(Resource=arn)["Tags"], {"b": "2"})

    def test_event_invocations_run(self):
        create_function(self.lam, "async", {"index.js": "exports.handler = async (e) => { console.log('ran ' + e.id); };\n"})
        answer = self.lam.invoke(FunctionName="async", InvocationType="Event", Payload=b'{"id":"q7"}')
        self.assertEqual(answer["StatusCode"], 202)
        logs = self.server.client("logs")
        for _ in range(100):
            try:
                if logs.filter_log_events(logGroupName="/aws/lambda/async", filterPattern='"ran q7"')["events"]:
                    return
            except logs.exceptions.ResourceNotFoundException:
                pass
            time.sleep(0.1)
        self.fail("the event was not delivered")

    def test_dry_run_and_bad_json(self):
        create_function(self.lam, "dry", {"index.js": ECHO})
        self.assertEqual(self.lam.invoke(FunctionName="dry", InvocationType="DryRun")["StatusCode"], 204)
        with self.assertRaises(ClientError) as e:
            self.lam.invoke(FunctionName="dry", Payload=b"{nope")
        self.assertEqual(e.exception.response["Error"]["Code"], "InvalidRequestContentException")

    def test_updates_under_load_fail_no_request(self):
        create_function(self.lam, "busy", {"index.js": "exports.handler = async () => 0;\n"}, Timeout=10)
        failures, done, count = [], threading.Event(), [0]

        def load():
            client = self.server.client("lambda")
            while not done.is_set():
                try:
                    answer, body = invoke(client, "busy")
                    count[0] += 1
                    if "FunctionError" in answer or not isinstance(body, int):
                        failures.append(body)
                except Exception as e:  # noqa: BLE001
                    failures.append(repr(e))

        threads = [threading.Thread(target=load) for _ in range(4)]
        for t in threads:
            t.start()
        for i in range(50):
            self.lam.update_function_code(FunctionName="busy", ZipFile=make_zip({"index.js": f"exports.handler = async () => {i};\n"}))
            self.lam.update_function_configuration(FunctionName="busy", Environment={"Variables": {"STEP": str(i)}})
        deadline = time.monotonic() + 30  # a slow machine, or a sanitizer's build, answers the same number later
        while count[0] <= 50 and not failures and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(0.5)
        done.set()
        for t in threads:
            t.join()
        self.assertEqual(failures[:3], [])
        self.assertGreater(count[0], 50)
        self.assertEqual(invoke(self.lam, "busy")[1], 49)

    def test_command_line(self):
        with open(f"{self.server.data}/cli.zip", "wb") as f:
            f.write(make_zip({"index.js": ECHO}))
        self.server.aws("lambda", "create-function", "--function-name", "cli", "--runtime", "nodejs22.x", "--role", ROLE, "--handler", "index.handler", "--zip-file", f"fileb://{self.server.data}/cli.zip")
        self.server.aws("lambda", "wait", "function-active-v2", "--function-name", "cli", raw=True)
        out = f"{self.server.data}/out.json"
        with open(f"{self.server.data}/in.json", "w") as f:  # versions 1 and 2 of aws read it alike; text they do not
            f.write('{"q":1}')
        answer = self.server.aws("lambda", "invoke", "--function-name", "cli", "--payload", f"fileb://{self.server.data}/in.json", out)
        self.assertEqual(answer["StatusCode"], 200)
        self.assertEqual(json.loads(json.load(open(out))["body"])["event"], {"q": 1})
        self.assertIn("cli", [f["FunctionName"] for f in self.server.aws("lambda", "list-functions")["Functions"]])


class BadInput(ServerTest):
    def code_of(self, call, *arguments, **more):
        with self.assertRaises(ClientError) as e:
            call(*arguments, **more)
        return e.exception.response["Error"]["Code"], e.exception.response["Error"]["Message"]

    def test_refusals(self):
        lam = self.server.client("lambda", parameter_validation=False)
        base = {"FunctionName": "bad", "Runtime": "nodejs22.x", "Role": ROLE, "Handler": "index.handler", "Code": {"ZipFile": make_zip({"index.js": ECHO})}}
        code, message = self.code_of(lam.create_function, **{**base, "Code": {"ZipFile": b"not a zip"}})
        self.assertEqual((code, message), ("InvalidParameterValueException", "Could not unzip uploaded file. Please check your file, then try to upload again."))
        code, message = self.code_of(lam.create_function, **{**base, "FunctionName": "x" * 141})
        self.assertEqual(code, "ValidationException")
        self.assertIn("1 validation error detected", message)
        code, message = self.code_of(lam.create_function, **{**base, "Timeout": 0})
        self.assertEqual(code, "ValidationException")
        code, message = self.code_of(lam.create_function, **{**base, "Environment": {"Variables": {"AWS_REGION": "x"}}})
        self.assertEqual(code, "InvalidParameterValueException")
        self.assertIn("AWS_REGION", message)
        code, message = self.code_of(lam.create_function, **{**base, "Code": {"S3Bucket": "bucket", "S3Key": "k"}})
        self.assertEqual(code, "InvalidParameterValueException")
        self.assertIn("S3", message)
        code, message = self.code_of(lam.create_function, **{**base, "Layers": ["arn:aws:lambda:us-east-1:000000000000:layer:none:1"]})
        self.assertEqual(code, "InvalidParameterValueException")
        traversal = io.BytesIO()
        with zipfile.ZipFile(traversal, "w") as z:
            z.writestr("../evil.js", "x")
        code, message = self.code_of(lam.create_function, **{**base, "Code": {"ZipFile": traversal.getvalue()}})
        self.assertEqual(code, "InvalidParameterValueException")
        self.assertIn("../evil.js", message)
        self.assertEqual(lam.list_functions()["Functions"], [], "nothing half made")

    def test_not_built_is_named(self):
        done = self.server.aws("lambda", "list-code-signing-configs", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("NotImplemented", done.stderr)
        self.assertIn("lambda:ListCodeSigningConfigs", done.stderr)
