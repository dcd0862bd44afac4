"""API Gateway, REST and HTTP APIs: made with boto3 and the aws command line, asked through the edge."""
import base64
import http.server
import json
import threading

from botocore.exceptions import ClientError

from harness import ServerTest, create_function, free_port

ECHO = "exports.handler = async (event) => ({ statusCode: 200, headers: { 'content-type': 'application/json', 'x-one': '1' }, body: JSON.stringify(event) });\n"
ARN = "arn:aws:lambda:us-east-1:000000000000:function:"


def lambda_uri(name):
    return f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{ARN}{name}/invocations"


class Upstream:
    """A plain HTTP server that answers what it was asked."""

    def __enter__(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_all(self):
                length = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(length)
                out = json.dumps({"method": self.command, "path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}, "body": body.decode("latin-1")}).encode()
                self.send_response(201)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(out)))
                self.end_headers()
                self.wfile.write(out)

            do_GET = do_POST = do_PUT = do_DELETE = handle_all

            def log_message(self, *a):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def __exit__(self, *a):
        self.server.shutdown()
        self.server.server_close()


class Gateway(ServerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.v1, cls.v2 = cls.server.client("apigateway"), cls.server.client("apigatewayv2")
        create_function(cls.server.client("lambda"), "echo", {"index.js": ECHO})
        create_function(cls.server.client("lambda"), "broken", {"index.js": "exports.handler = async () => ({ nonsense: 1, statusCode: 'abc' });\n"})
        create_function(cls.server.client("lambda"), "throws", {"index.js": "exports.handler = async () => { throw new Error('x'); };\n"})

    def rest_api(self, integrations):
        """{path: {method: function or dict}} -> api id, deployed as dev"""
        api = self.v1.create_rest_api(name="t")["id"]
        ids = {r["path"]: r["id"] for r in self.v1.get_resources(restApiId=api)["items"]}
        for path, methods in integrations.items():
            at = ""
            for part in [p for p in path.split("/") if p]:
                parent, at = at or "/", f"{at}/{part}"
                if at not in ids:
                    ids[at] = self.v1.create_resource(restApiId=api, parentId=ids[parent], pathPart=part)["id"]
            for method, what in methods.items():
                key = {"restApiId": api, "resourceId": ids[path], "httpMethod": method}
                self.v1.put_method(**key, authorizationType="NONE")
                if isinstance(what, str):
                    self.v1.put_integration(**key, type="AWS_PROXY", integrationHttpMethod="POST", uri=lambda_uri(what))
                else:
                    what(key)
        self.v1.create_deployment(restApiId=api, stageName="dev")
        return api

    def test_rest_proxy_event(self):
        api = self.rest_api({"/items/{id}": {"GET": "echo"}, "/{proxy+}": {"ANY": "echo"}})
        status, headers, body = self.server.edge(api, "/dev/items/a%20b?x=1&x=2&y=", headers={"X-Mixed-Case": "v", "Cookie": "a=b"})
        self.assertEqual(status, 200)
        event = json.loads(body)
        self.assertEqual(set(event), {"resource", "path", "httpMethod", "headers", "multiValueHeaders", "queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "stageVariables", "requestContext", "body", "isBase64Encoded"})
        self.assertEqual(event["resource"], "/items/{id}")
        self.assertEqual(event["path"], "/items/a%20b")
        self.assertEqual(event["pathParameters"], {"id": "a%20b"})
        self.assertEqual(event["queryStringParameters"], {"x": "2", "y": ""})
        self.assertEqual(event["multiValueQueryStringParameters"], {"x": ["1", "2"], "y": [""]})
        self.assertEqual(event["headers"]["X-Mixed-Case"], "v")
        self.assertIsNone(event["stageVariables"])
        self.assertIsNone(event["body"])
        context = event["requestContext"]
        self.assertEqual(context["path"], "/dev/items/a%20b")
        self.assertEqual((context["stage"], context["apiId"], context["resourcePath"], context["httpMethod"]), ("dev", api, "/items/{id}", "GET"))
        self.assertEqual(context["domainName"], f"{api}.execute-api.localhost")
        self.assertEqual(set(context["identity"]), {"cognitoIdentityPoolId", "accountId", "cognitoIdentityId", "caller", "sourceIp", "principalOrgId", "accessKey", "cognitoAuthenticationType", "cognitoAuthenticationProvider", "userArn", "userAgent", "user"})
        names = {k.lower() for k, _ in headers}
        self.assertLessEqual({"x-amzn-requestid", "x-amz-apigw-id", "x-amzn-trace-id", "x-one"}, names)
        status, _, body = self.server.edge(api, "/dev/other/deep/path", method="POST", body=b"hello", headers={"Content-Type": "text/plain"})
        event = json.loads(body)
        self.assertEqual((event["resource"], event["pathParameters"], event["body"]), ("/{proxy+}", {"proxy": "other/deep/path"}, "hello"))

    def test_rest_errors_are_awss_own(self):
        api = self.rest_api({"/ok": {"GET": "echo"}, "/broken": {"GET": "broken"}, "/throws": {"GET": "throws"}, "/gone": {"GET": "does-not-exist"}})
        status, headers, body = self.server.edge(api, "/dev/none")
        self.assertEqual((status, body), (403, b'{"message":"Missing Authentication Token"}'))
        self.assertEqual(dict((k.lower(), v) for k, v in headers)["x-amzn-errortype"], "MissingAuthenticationTokenException")
        self.assertEqual(self.server.edge(api, "/nostage/ok")[0::2], (403, b'{"message":"Forbidden"}'))
        self.assertEqual(self.server.edge(api, "/dev/broken")[0::2], (502, b'{"message": "Internal server error"}'))
        self.assertEqual(self.server.edge(api, "/dev/throws")[0::2], (502, b'{"message": "Internal server error"}'))
        self.assertEqual(self.server.edge(api, "/dev/gone")[0], 500)
        self.assertEqual(self.server.edge(api, "/dev/ok", method="POST")[0::2], (403, b'{"message":"Missing Authentication Token"}'))

    def test_deployments_are_snapshots(self):
        api = self.rest_api({"/a": {"GET": "echo"}})
        root = next(r["id"] for r in self.v1.get_resources(restApiId=api)["items"] if r["path"] == "/")
        b = self.v1.create_resource(restApiId=api, parentId=root, pathPart="b")["id"]
        self.v1.put_method(restApiId=api, resourceId=b, httpMethod="GET", authorizationType="NONE")
        self.v1.put_integration(restApiId=api, resourceId=b, httpMethod="GET", type="AWS_PROXY", integrationHttpMethod="POST", uri=lambda_uri("echo"))
        self.assertEqual(self.server.edge(api, "/dev/b")[0], 403)
        self.v1.create_deployment(restApiId=api, stageName="dev")
        self.assertEqual(self.server.edge(api, "/dev/b")[0], 200)
        self.v1.update_stage(restApiId=api, stageName="dev", patchOperations=[{"op": "replace", "path": "/variables/color", "value": "red"}])
        self.assertEqual(json.loads(self.server.edge(api, "/dev/b")[2])["stageVariables"], {"color": "red"})
        self.v1.delete_rest_api(restApiId=api)
        self.assertNotEqual(self.server.edge(api, "/dev/b")[0], 200)

    def test_mock_and_http_proxy(self):
        def mock(key):
            self.v1.put_integration(**key, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
            self.v1.put_method_response(**key, statusCode="200", responseParameters={"method.response.header.X-Mock": True})
            self.v1.put_integration_response(**key, statusCode="200", responseParameters={"method.response.header.X-Mock": "'yes'"}, responseTemplates={"application/json": '{"mock": true}'})

        with Upstream() as upstream:
            def proxy(key):
                self.v1.put_method(**{**key, "httpMethod": "POST"}, authorizationType="NONE")
                for method in (key["httpMethod"], "POST"):
                    self.v1.put_integration(**{**key, "httpMethod": method}, type="HTTP_PROXY", integrationHttpMethod=method, uri=upstream + "/up?fixed=1")

            api = self.rest_api({"/mock": {"GET": mock}, "/up": {"GET": proxy}})
            status, headers, body = self.server.edge(api, "/dev/mock")
            self.assertEqual((status, json.loads(body), dict(headers)["X-Mock"]), (200, {"mock": True}, "yes"))
            status, _, body = self.server.edge(api, "/dev/up?q=2")
            seen = json.loads(body)
            self.assertEqual(status, 201)
            self.assertTrue(seen["path"].startswith("/up?"))
            self.assertIn("q=2", seen["path"])
            status, _, body = self.server.edge(api, "/dev/up", method="POST", body=b"x" * 100_000)
            self.assertEqual(len(json.loads(body)["body"]), 100_000)

    def test_unreachable_upstream(self):
        def nobody(key):
            self.v1.put_integration(**key, type="HTTP_PROXY", integrationHttpMethod="GET", uri=f"http://127.0.0.1:{free_port()}/")

        api = self.rest_api({"/up": {"GET": nobody}})
        self.assertEqual(self.server.edge(api, "/dev/up")[0::2], (504, b'{"message":"Network error communicating with endpoint"}'))

    def test_http_api_event_and_quick_create(self):
        api = self.v2.create_api(Name="q", ProtocolType="HTTP", Target=ARN + "echo")
        self.assertEqual(api["ApiEndpoint"], f"http://{api['ApiId']}.execute-api.localhost:{self.server.edge_port}")
        status, headers, body = self.server.edge(api["ApiId"], "/any/path?a=1&a=2", headers={"X-Mixed": "v", "Cookie": "a=1; b=2"})
        event = json.loads(body)
        self.assertEqual(status, 200)
        self.assertEqual((event["version"], event["routeKey"], event["rawPath"], event["rawQueryString"]), ("2.0", "$default", "/any/path", "a=1&a=2"))
        self.assertEqual(event["cookies"], ["a=1", "b=2"])
        self.assertEqual(event["queryStringParameters"], {"a": "1,2"})
        self.assertEqual(event["headers"]["x-mixed"], "v")
        self.assertNotIn("body", event)
        self.assertNotIn("pathParameters", event)
        http_context = event["requestContext"]["http"]
        self.assertEqual((http_context["method"], http_context["path"], http_context["protocol"]), ("GET", "/any/path", "HTTP/1.1"))
        self.assertIn("apigw-requestid", {k.lower() for k, _ in headers})
        status, _, body = self.server.edge(api["ApiId"], "/bin", method="POST", body=bytes(range(256)), headers={"Content-Type": "application/octet-stream"})
        event = json.loads(body)
        self.assertTrue(event["isBase64Encoded"])
        self.assertEqual(base64.b64decode(event["body"]), bytes(range(256)))

    def test_http_api_routes_cors_and_404(self):
        api = self.v2.create_api(Name="r", ProtocolType="HTTP", CorsConfiguration={"AllowOrigins": ["https://a.example"], "AllowMethods": ["GET"], "AllowHeaders": ["x-h"], "MaxAge": 60})["ApiId"]
        integration = self.v2.create_integration(ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=ARN + "echo", PayloadFormatVersion="2.0")["IntegrationId"]
        self.v2.create_route(ApiId=api, RouteKey="GET /r/{id}", Target=f"integrations/{integration}")
        self.v2.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
        status, headers, body = self.server.edge(api, "/r/7", headers={"Origin": "https://a.example"})
        self.assertEqual((status, json.loads(body)["pathParameters"]), (200, {"id": "7"}))
        self.assertEqual(dict((k.lower(), v) for k, v in headers)["access-control-allow-origin"], "https://a.example")
        status, headers, _ = self.server.edge(api, "/r/7", method="OPTIONS", headers={"Origin": "https://a.example", "Access-Control-Request-Method": "GET"})
        self.assertEqual(status, 204)
        self.assertEqual(dict((k.lower(), v) for k, v in headers)["access-control-max-age"], "60")
        self.assertEqual(self.server.edge(api, "/none")[0::2], (404, b'{"message":"Not Found"}'))
        with self.assertRaises(ClientError) as e:
            self.v2.create_route(ApiId=api, RouteKey="GET /r/{id}", Target=f"integrations/{integration}")
        self.assertEqual(e.exception.response["Error"]["Code"], "ConflictException")

    def test_other_ways_to_an_api(self):
        api = self.rest_api({"/a": {"GET": "echo"}})
        status, body = self.server.request("GET", f"/_aws/execute-api/{api}/dev/a", port=self.server.edge_port)
        self.assertEqual(status, 200)
        self.assertEqual(json.loads(body)["path"], "/a")
        status, body = self.server.request("GET", "/dev/a", headers={"Host": f"{api}.execute-api.eu-west-1.amazonaws.com"}, port=self.server.edge_port)
        self.assertEqual(status, 200)

    def test_limits(self):
        api = self.rest_api({"/a": {"POST": "echo"}})
        status, _, body = self.server.edge(api, "/dev/a", method="POST", body=b"x" * (10_485_760 + 1))
        self.assertEqual(status, 413)

    def test_command_line(self):
        api = self.server.aws("apigateway", "create-rest-api", "--name", "from-cli")
        self.assertIn(api["id"], [a["id"] for a in self.server.aws("apigateway", "get-rest-apis")["items"]])
        http_api = self.server.aws("apigatewayv2", "create-api", "--name", "from-cli", "--protocol-type", "HTTP")
        self.assertEqual(self.server.aws("apigatewayv2", "get-api", "--api-id", http_api["ApiId"])["Name"], "from-cli")
        self.assertEqual(self.server.aws("apigatewayv2", "get-apis", region="eu-west-3")["Items"], [], "regions are name spaces")


class RestartKeepsRoutes(ServerTest):
    def test_restart(self):
        create_function(self.server.client("lambda"), "echo", {"index.js": ECHO})
        api = self.server.client("apigatewayv2").create_api(Name="q", ProtocolType="HTTP", Target=ARN + "echo")["ApiId"]
        self.assertEqual(self.server.edge(api, "/")[0], 200)
        self.server.kill()
        self.server.start()
        self.assertEqual(self.server.edge(api, "/")[0], 200)
        self.server.stop()
        self.server.start()
        self.assertEqual(self.server.edge(api, "/")[0], 200)
