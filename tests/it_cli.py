"""The command line as a user has it: up, deploy, watch, logs, keys, backup, languages; and a server that is told odd things."""
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest
import urllib.request

from harness import ROOT, RUNTIMES, SAVIA, Server, ServerTest, create_function, free_port, invoke, make_zip

EXAMPLE = ROOT / "examples/multinature"


def copy_example():
    """A copy of the example without installed dependencies' stamps being shared, so that tests do not meet in it."""
    target = tempfile.mkdtemp(prefix="savia-workspace-")
    shutil.copytree(EXAMPLE, target, symlinks=True, dirs_exist_ok=True)
    return target


class Workspace(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.dir = copy_example()
        cls.first = json.loads(cls.server.savia("--json", "deploy", "--dir", cls.dir).stdout)

    @classmethod
    def tearDownClass(cls):
        cls.server.close()
        shutil.rmtree(cls.dir, ignore_errors=True)

    def api(self, name, report=None):
        return next(a for a in (report or self.first)["apis"] if a["api"] == name)

    def get(self, url):
        # curl resolves *.localhost by itself; so does this, by asking the edge with the Host of the URL.
        host, _, path = url.removeprefix("http://").partition("/")
        status, _, body = self.server.edge(host.split(".")[0], "/" + path)
        return status, json.loads(body)

    def test_first_deploy(self):
        self.assertEqual(self.first["layers"], {"multi-mysql-layer": 1, "multi-commons-layer": 1})
        self.assertEqual(self.api("multi-public-resources")["function"], "multi-public-resources-dev-api")
        self.assertTrue(all(a["status"] == 200 for a in self.first["apis"]))
        status, body = self.get(self.api("multi-public-resources")["url"] + "/recipes?limit=2")
        self.assertEqual((status, body["total"], len(body["items"])), (200, 8, 2))
        status, body = self.get(self.api("multi-recipes")["url"] + "/recipes/2")
        self.assertEqual((status, body["slug"], body["allergens"]), (200, "chilaquiles-verdes", ["lácteos"]))
        status, body = self.get(self.api("multi-recipes")["url"] + "/recipes/999")
        self.assertEqual((status, body["error"]["code"]), (404, "NOT_FOUND"))
        names = [a["name"] for a in self.server.aws("apigateway", "get-rest-apis")["items"]]
        self.assertEqual(names, ["dev-multi-public-resources"])

    def test_idempotent(self):
        again = json.loads(self.server.savia("--json", "deploy", "--dir", self.dir).stdout)
        self.assertFalse(again["changed"])
        self.assertEqual(again["layers"], self.first["layers"])
        self.assertEqual(self.api("multi-recipes", again)["url"], self.api("multi-recipes")["url"])

    def test_only_what_changed(self):
        nutrition = pathlib.Path(self.dir, "apis/multi-recipes/src/nutrition.js")
        old = nutrition.read_text()
        nutrition.write_text(old + "// changed\n")
        report = json.loads(self.server.savia("--json", "deploy", "--dir", self.dir).stdout)
        self.assertEqual({a["api"]: a["changed"] for a in report["apis"]}, {"multi-public-resources": False, "multi-recipes": True})
        nutrition.write_text(old)
        self.server.savia("deploy", "--dir", self.dir)

    def test_layer_version_reaches_functions_only_by_deploy(self):
        queries = pathlib.Path(self.dir, "layers/multi-mysql-layer/nodejs/multi-mysql/queries/categories.js")
        old = queries.read_text()
        queries.write_text(old.replace("categories.list': () => categories", "categories.list': () => categories.slice(0, 1)"))
        report = json.loads(self.server.savia("--json", "deploy", "--dir", self.dir).stdout)
        self.assertEqual(report["layers"]["multi-mysql-layer"], 2)
        _, body = self.get(self.api("multi-public-resources", report)["url"] + "/categories")
        self.assertEqual(len(body["items"]), 1)
        layers = self.server.aws("lambda", "get-function-configuration", "--function-name", "multi-recipes-dev-api")["Layers"]
        self.assertTrue(layers[0]["Arn"].endswith(":layer:multi-mysql-layer:2"))
        queries.write_text(old)
        report = json.loads(self.server.savia("--json", "deploy", "--dir", self.dir).stdout)
        self.assertEqual(report["layers"]["multi-mysql-layer"], 3)

    def test_prod_environment(self):
        report = json.loads(self.server.savia("--json", "deploy", "multi-recipes", "--env", "prod", "--dir", self.dir).stdout)
        self.assertEqual([a["function"] for a in report["apis"]], ["multi-recipes-prod-api"])
        self.assertEqual(self.server.aws("lambda", "get-function-configuration", "--function-name", "multi-recipes-prod-api")["MemorySize"], 512)

    def test_findings_come_before_changes(self):
        config = pathlib.Path(self.dir, "apis/multi-recipes/serverless.yaml")
        old = config.read_text()
        before = self.server.aws("lambda", "list-functions")
        config.write_text(old.replace("LOG_LEVEL: debug", "LOG_LEVEL: ${ssm:/x}").replace("      - httpApi: '*'", "      - httpApi: '*'\n      - schedule: rate(1 hour)"))
        done = self.server.savia("--lang", "en", "deploy", "--dir", self.dir, check=False)
        config.write_text(old)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"error: multi-recipes/serverless.yaml:\d+:\d+: variables of the source ssm are not supported yet")
        self.assertRegex(done.stderr, r"warning: multi-recipes/serverless.yaml:\d+:\d+: event schedule is not supported yet")
        self.assertIn("nothing was deployed", done.stderr)
        self.assertEqual(self.server.aws("lambda", "list-functions"), before)

    def test_watch(self):
        process = subprocess.Popen([SAVIA, "deploy", "multi-recipes", "--watch", "--dir", self.dir], env={**self.server.env, "SAVIA_ENDPOINT": self.server.endpoint}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            for line in process.stdout:
                if "Ctrl-C" in line:
                    break
            index = pathlib.Path(self.dir, "apis/multi-recipes/src/index.js")
            old = index.read_text()
            index.write_text(old.replace("service: 'multi-recipes'", "service: 'changed'"))
            url = self.api("multi-recipes")["url"] + "/"
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline and self.get(url)[1].get("service") != "changed":
                time.sleep(0.02)
            self.assertEqual(self.get(url)[1]["service"], "changed")
            index.write_text(old)
            while time.monotonic() < deadline and self.get(url)[1].get("service") != "multi-recipes":
                time.sleep(0.02)
        finally:
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(10), 0)
            process.stdout.close()

    def test_looking(self):
        self.assertIn("multi-mysql-layer:", self.server.savia("ps").stdout)
        functions = json.loads(self.server.savia("--json", "ps").stdout)["functions"]
        self.assertIn("multi-recipes-dev-api", [f["FunctionName"] for f in functions])
        self.get(self.api("multi-recipes")["url"] + "/recipes/1")
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline and "REPORT RequestId" not in self.server.savia("logs", "multi-recipes-dev").stdout:
            time.sleep(0.1)
        self.assertIn("REPORT RequestId", self.server.savia("logs", "multi-recipes-dev").stdout)
        event = json.dumps({"version": "2.0", "rawPath": "/recipes/1", "requestContext": {"http": {"method": "GET", "path": "/recipes/1"}}, "headers": {}})
        answer = json.loads(self.server.savia("--json", "invoke", "multi-recipes-dev", "-p", event).stdout)
        self.assertEqual(answer["payload"]["statusCode"], 200)
        status = json.loads(self.server.savia("--json", "status").stdout)
        self.assertEqual(status["status"], "running")


class Up(unittest.TestCase):
    def test_up_starts_deploys_and_ends_with_ctrl_c(self):
        data, directory = tempfile.mkdtemp(prefix="savia-up-"), copy_example()
        port, edge = free_port(), free_port()
        env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "SAVIA_"))}
        process = subprocess.Popen([SAVIA, "up", directory, "--data", data, "--listen", f"127.0.0.1:{port}", "--edge", f"127.0.0.1:{edge}", "--runtimes", str(RUNTIMES), "--lang", "es"], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            text = ""
            for line in process.stdout:
                text += line
                if "hasta Ctrl-C" in line:
                    break
            self.assertRegex(text, r"layer multi-mysql-layer:1")
            self.assertRegex(text, r"lambda multi-public-resources-dev-api +→ http://\w+\.execute-api\.localhost:\d+/dev/recipes +200 en ")
            pid = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/_savia/status"))["pid"]
        finally:
            process.send_signal(signal.SIGINT)
            code = process.wait(30)
            process.stdout.close()
        self.assertEqual(code, 0)
        self.assertFalse(pathlib.Path(f"/proc/{pid}").exists(), "the server ended too")
        shutil.rmtree(data, ignore_errors=True)
        shutil.rmtree(directory, ignore_errors=True)


class Commands(ServerTest):
    def test_env_and_version(self):
        out = self.server.savia("env").stdout
        self.assertIn(f"export AWS_ENDPOINT_URL='{self.server.endpoint}'", out)
        self.assertIn("export AWS_ACCESS_KEY_ID='test'", out)
        self.assertRegex(self.server.savia("version").stdout, r"^savia \d+\.\d+\.\d+")
        self.assertIn("version", json.loads(self.server.savia("--json", "version").stdout))

    def test_languages(self):
        self.assertIn("todavía no hay funciones", self.server.savia("--lang", "es", "ps").stdout)
        self.assertIn("no functions yet", self.server.savia("--lang", "en", "ps").stdout)
        self.assertIn("todavía no hay funciones", self.server.savia("ps", env={"LANG": "es_MX.UTF-8"}).stdout)
        self.assertIn("no functions yet", self.server.savia("ps", env={"LANG": "es_MX.UTF-8", "SAVIA_LANG": "en"}).stdout)
        self.assertIn("desplegar", self.server.savia("--lang", "es", "--help").stdout + "desplegar")

    def test_aws_profiles_are_not_read(self):
        # A profile that would lead elsewhere, and a region and keys that are not ours.
        out = self.server.savia("ps", env={"AWS_PROFILE": "production", "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "AKIAREAL", "AWS_SECRET_ACCESS_KEY": "x"})
        self.assertEqual(out.returncode, 0)

    def test_keys(self):
        key = json.loads(self.server.savia("--json", "keys", "create", "--data", self.server.data).stdout)
        time.sleep(1.1)
        sts = self.server.client("sts", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
        self.assertEqual(sts.get_caller_identity()["Account"], "000000000000")
        self.assertIn(key["AccessKeyId"], self.server.savia("keys", "list", "--data", self.server.data).stdout)
        self.server.savia("keys", "delete", key["AccessKeyId"], "--data", self.server.data)
        time.sleep(1.1)
        with self.assertRaises(Exception) as e:
            self.server.client("sts", key=key["AccessKeyId"], secret=key["SecretAccessKey"]).get_caller_identity()
        self.assertIn("InvalidClientTokenId", str(e.exception))

    def test_completions(self):
        for shell in ("bash", "zsh", "fish"):
            self.assertIn("deploy", self.server.savia("completions", shell).stdout)
        script = self.server.savia("completions", "bash").stdout
        done = subprocess.run(["bash", "-c", script + '\nCOMP_WORDS=(savia de); COMP_CWORD=1; _savia; echo "${COMPREPLY[@]}"'], capture_output=True, text=True)
        self.assertEqual(done.stdout.split(), ["deploy"])

    def test_no_colour_without_a_terminal_and_errors_say_what_next(self):
        done = subprocess.run([SAVIA, "ps"], env={**self.server.env, "SAVIA_ENDPOINT": f"http://127.0.0.1:{free_port()}"}, capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertNotIn("\033", done.stdout + done.stderr)
        self.assertIn("no server answers at", done.stderr)
        self.assertIn("next: ", done.stderr)
        self.assertEqual(self.server.savia("frobnicate", check=False).returncode, 2)

    def test_service_unit(self):
        out = self.server.savia("service", "install", "--print", "--data", "/srv/savia").stdout
        self.assertIn("ExecStart=", out)
        self.assertIn("Delegate=yes", out)

    def test_runtimes(self):
        rows = json.loads(self.server.savia("--json", "runtime", "list", "--runtimes", str(RUNTIMES)).stdout)["runtimes"]
        self.assertTrue(next(r for r in rows if r["runtime"] == "nodejs22.x")["installed"])

    def test_coverage_page_is_current(self):
        page = (ROOT / "docs/coverage.md").read_text() if (ROOT / "docs/coverage.md").exists() else ""
        self.assertEqual(self.server.savia("coverage").stdout.strip(), page.strip(), "run ./dev docs")


class Backup(unittest.TestCase):
    def test_backup_beside_a_running_server_and_restore(self):
        server = Server()
        lam = server.client("lambda")
        create_function(lam, "kept", {"index.js": "exports.handler = async () => 'kept';\n"})
        layer = lam.publish_layer_version(LayerName="l", Content={"ZipFile": make_zip({"nodejs/node_modules/l/index.js": "1"})})
        file = server.data + ".backup"
        server.savia("backup", file, "--data", server.data)
        self.assertEqual(os.stat(file).st_mode & 0o077, 0, "nobody else may read it")
        again = server.savia("restore", file, "--data", server.data, check=False)
        self.assertEqual(again.returncode, 1)
        self.assertIn("empty folder", again.stderr)
        server.close()
        target = tempfile.mkdtemp(prefix="savia-restore-")
        os.rmdir(target)
        subprocess.run([SAVIA, "restore", file, "--data", target], check=True, capture_output=True)
        restored = Server(data=target)
        try:
            self.assertEqual(invoke(restored.client("lambda"), "kept")[1], "kept")
            self.assertEqual(restored.client("lambda").get_layer_version(LayerName="l", VersionNumber=1)["LayerVersionArn"], layer["LayerVersionArn"])
        finally:
            restored.close()
            shutil.rmtree(target, ignore_errors=True)
            os.unlink(file)


class Serving(unittest.TestCase):
    def serve(self, *flags, env=None):
        data = tempfile.mkdtemp(prefix="savia-odd-")
        done = subprocess.run([SAVIA, "serve", "--data", data, "--listen", f"127.0.0.1:{free_port()}", "--edge", f"127.0.0.1:{free_port()}", *flags], env={**os.environ, "LANG": "C", **(env or {})}, capture_output=True, text=True, timeout=20)
        shutil.rmtree(data, ignore_errors=True)
        return done

    def test_refusals(self):
        for flags, wanted in ((("--listen", "0.0.0.0:4566"), "needs TLS"), (("--auth", "maybe"), "open, verify or enforce"), (("--account", "12"), "12 digits"), (("--auth", "enforce"), "IAM"),
                              (("--listen", "nonsense"), "an address"), (("--tls-cert", "x"), "go together"), (("--host-port", "99999"), "ports")):
            done = self.serve(*flags)
            self.assertEqual(done.returncode, 2, flags)
            self.assertIn(wanted, done.stderr, flags)

    def test_config_file(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
            f.write("edge_threads: 1\nhost_ports: [3306]\nlisten_adress: x\n")
            f.flush()
            done = self.serve("--config", f.name)
        self.assertEqual(done.returncode, 2)
        self.assertIn(":3:", done.stderr)
        self.assertIn("listen_adress", done.stderr)

    def test_one_server_a_folder(self):
        server = Server()
        try:
            done = subprocess.run([SAVIA, "serve", *server.flags[:2], "--listen", f"127.0.0.1:{free_port()}", "--edge", f"127.0.0.1:{free_port()}"], capture_output=True, text=True, timeout=20, env={**os.environ, "LANG": "C"})
            self.assertEqual(done.returncode, 1)
            self.assertIn("another server uses", done.stderr)
        finally:
            server.close()

    def test_newer_state_is_refused_by_name(self):
        import sqlite3
        server = Server()
        server.stop()
        db = sqlite3.connect(server.data + "/savia.db")
        db.execute("UPDATE schema SET version = 999 WHERE service = 'lambda'")
        db.commit()
        db.close()
        done = subprocess.run([SAVIA, "serve", *server.flags], capture_output=True, text=True, timeout=20, env={**os.environ, "LANG": "C"})
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"lambda has schema 999, this program .* knows \d+")
        shutil.rmtree(server.data, ignore_errors=True)

    def test_tls(self):
        folder = tempfile.mkdtemp(prefix="savia-tls-")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{folder}/k.pem", "-out", f"{folder}/c.pem", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
        port, edge = free_port(), free_port()
        process = subprocess.Popen([SAVIA, "serve", "--data", folder + "/data", "--listen", f"127.0.0.1:{port}", "--edge", f"127.0.0.1:{edge}", "--tls-cert", f"{folder}/c.pem", "--tls-key", f"{folder}/k.pem"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            context = ssl.create_default_context(cafile=f"{folder}/c.pem")
            for _ in range(200):
                try:
                    with urllib.request.urlopen(f"https://localhost:{port}/_savia/health", context=context) as r:
                        self.assertEqual(r.status, 200)
                        break
                except OSError:
                    time.sleep(0.05)
            else:
                self.fail("no answer over TLS")
        finally:
            process.terminate()
            process.wait(20)
            shutil.rmtree(folder, ignore_errors=True)

    @unittest.skipUnless(os.geteuid() == 0, "needs root to mount a small file system")
    def test_full_disk_refuses_writes_and_traffic_goes_on(self):
        data = tempfile.mkdtemp(prefix="savia-full-")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", data], check=True)
        try:
            server = Server(data=data)
            lam = server.client("lambda")
            create_function(lam, "goes-on", {"index.js": "exports.handler = async () => 'yes';\n"})
            self.assertEqual(invoke(lam, "goes-on")[1], "yes")
            with open(data + "/filler", "wb") as f:
                try:
                    while True:
                        f.write(b"x" * 65536)
                        f.flush()
                except OSError:
                    pass
            with self.assertRaises(Exception) as e:
                create_function(lam, "refused", {"index.js": "exports.handler = async () => 1;\n" + "// " + "x" * 100_000})
            self.assertIn("disk is full", str(e.exception))
            self.assertEqual(invoke(lam, "goes-on")[1], "yes", "traffic goes on")
            self.assertEqual([f["FunctionName"] for f in lam.list_functions()["Functions"]], ["goes-on"], "nothing half made")
            os.unlink(data + "/filler")
            time.sleep(0.3)
            create_function(lam, "again", {"index.js": "exports.handler = async () => 2;\n"})
            self.assertEqual(invoke(lam, "again")[1], 2)
            server.stop()
        finally:
            subprocess.run(["umount", "-l", data], check=True)
            os.rmdir(data)


if __name__ == "__main__":
    unittest.main()
