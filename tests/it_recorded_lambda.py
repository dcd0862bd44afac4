"""Scenarios that were recorded from AWS, played by boto3 against the server: every answer has the recorded members and no others,
the same literals, codes, texts and equalities. The requests are ours: recordings hold none, their labels tell."""
import base64
import json
import os
import time
import unittest

from botocore.exceptions import ClientError

from harness import ROLE, make_zip
from recorded import ACCOUNT, REGION, Replay

ECHO_PY = "import json\n\ndef handler(event, context):\n    print(json.dumps(event))\n    return event\n"
ECHO_JS = "exports.handler = async (event) => { console.log(JSON.stringify(event)); return event; };\n"
VERSION_PY = "def handler(event, context):\n    return {'version_id': 'version%s', 'invoked_arn': context.invoked_function_arn, 'version_from_ctx': context.function_version}\n"
ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"
S3 = {"Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com", "SourceArn": "arn:aws:s3:::bucket"}
GOING_ON = {"State", "StateReason", "StateReasonCode", "LastUpdateStatus", "LastUpdateStatusReason", "LastUpdateStatusReasonCode"}


class LambdaReplay(Replay):
    service = "lambda"
    made = 0

    def setUp(self):
        self.lam = self.server.client("lambda", parameter_validation=False)

    def unknown(self):
        known = self.lam.meta.service_model.shape_for("FunctionConfiguration").members
        return {"LoggingConfig", "RuntimeVersionConfig"} - set(known)

    def name(self):
        LambdaReplay.made += 1
        return f"fn-{LambdaReplay.made}"

    def create(self, name=None, code=ECHO_PY, runtime="python3.12", handler="handler.handler", **more):
        file = handler.split(".")[0] + (".js" if runtime.startswith("node") else ".py")
        return self.lam.create_function(FunctionName=name or self.name(), Runtime=runtime, Role=ROLE, Handler=handler, Code={"ZipFile": make_zip({file: code})}, **more)

    def fixture(self, name, **more):
        """A function with the defaults of the recordings' helper."""
        return {"CreateEventSourceMappingResponse": None, "CreateFunctionResponse": self.create(name, **{"Timeout": 30, "Environment": {"Variables": {}}, **more})}

    def updated(self, name):
        self.lam.get_waiter("function_updated_v2" if "function_updated_v2" in self.lam.waiter_names else "function_updated").wait(FunctionName=name, WaiterConfig={"Delay": 1})

    def error(self, call, **arguments):
        with self.assertRaises(ClientError) as e:
            call(**arguments)
        return e.exception.response

    def invoke(self, name, payload=b"{}", **more):
        answer = self.lam.invoke(FunctionName=name, Payload=payload, **more)
        body = answer["Payload"].read().decode()
        try:
            answer["Payload"] = json.loads(body)
        except ValueError:
            answer["Payload"] = body
        return answer

    def policy(self, answer, key="Policy"):
        return {**answer, key: json.loads(answer[key])}


class Functions(LambdaReplay):
    def test_function_lifecycle(self):
        self.replay("TestLambdaFunction::test_function_lifecycle")
        name = self.name()
        self.same("create_response", self.fixture(name, Timeout=5, MemorySize=256))
        self.lam.get_waiter("function_active").wait(FunctionName=name)
        self.same("get_function_response", self.lam.get_function(FunctionName=name))
        self.same("update_func_conf_response", self.lam.update_function_configuration(FunctionName=name, Runtime="python3.11", Description="Changed-Description", MemorySize=512, Timeout=10, Environment={"Variables": {"ENV_A": "a"}}))
        self.updated(name)
        self.same("get_function_response_postupdate", self.lam.get_function(FunctionName=name))
        self.same("update_code_response", self.lam.update_function_code(FunctionName=name, ZipFile=make_zip({"handler.py": "other = 1\n"})))
        self.updated(name)
        self.same("get_function_response_postcodeupdate", self.lam.get_function(FunctionName=name))
        deleted = self.lam.delete_function(FunctionName=name)
        # Clients of 2025 read a body here, which says 204 once more; older models have none.
        self.same("delete_response", {"StatusCode": 204, **deleted})
        self.same("delete_postdelete", self.error(self.lam.delete_function, FunctionName=name))

    def test_ops_on_what_is_not_there(self):
        self.replay("test_ops_with_arn_qualifier_mismatch[get_function]")
        self.same("not_match_exception", self.error(self.lam.get_function, FunctionName=ARN + "some-function:1", Qualifier="$LATEST"))
        self.same("match_exception", self.error(self.lam.get_function, FunctionName=ARN + "some-function:$LATEST", Qualifier="$LATEST"))
        name = self.name()
        self.create(name)
        self.replay("test_ops_on_nonexisting_version[get_function]")
        self.same("version_not_found_exception", self.error(self.lam.get_function, FunctionName=name, Qualifier="1221"))
        self.replay("test_ops_on_nonexisting_fn[get_function_configuration]")
        self.same("not_found_exception", self.error(self.lam.get_function_configuration, FunctionName="i-dont-exist"))
        other = f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:{name}"
        for call in ("get_function_configuration", "get_function_concurrency", "delete_function", "invoke"):
            self.replay(f"test_get_function_wrong_region[{call}]")
            self.same("wrong_region_exception", self.error(getattr(self.lam, call), FunctionName=other))

    def test_invoke_exceptions(self):
        # Of two recordings the newer, which names the qualifier.
        self.replay("TestLambdaFeatures::test_invoke_exceptions")
        self.same("invoke_function_doesnotexist", self.error(self.lam.invoke, FunctionName="doesnotexist", Payload=b"{}"))

    def test_function_arns(self):
        self.replay("TestLambdaFunction::test_function_arns")
        one, two = self.name(), self.name()
        self.same("create-function-arn-response", self.fixture(ARN + one))
        self.same("create-function-partial-arn-response", self.fixture(f"{ACCOUNT}:function:{two}", code=ECHO_PY + "\n"))
        self.same("invalid_function_name_exc", self.error(self.create, name="invalid:function:name"))
        self.same("long_function_name_exc", self.error(self.create, name="a" * 65))
        self.same("long_function_arn_exc", self.error(self.create, name=ARN + "a" * (141 - len(ARN))))
        self.same("function_arn_other_region_exc", self.error(self.create, name=f"arn:aws:lambda:ap-southeast-1:{ACCOUNT}:function:x"))
        # AWS says nothing more here (a null message); Savia says who may not do what.
        denied = self.error(self.create, name=f"arn:aws:lambda:{REGION}:123456789012:function:x")
        self.assertEqual((denied["Error"]["Code"], denied["ResponseMetadata"]["HTTPStatusCode"]), ("AccessDeniedException", 403))

    def test_update_lambda_exceptions(self):
        self.replay("TestLambdaFunction::test_update_lambda_exceptions")
        name = self.create()["FunctionName"]
        self.same("invalid_role_arn_exc", self.error(self.lam.update_function_configuration, FunctionName=name, Role="r1"))
        self.same("invalid_runtime_exc", self.error(self.lam.update_function_configuration, FunctionName=name, Runtime="non-existent-runtime"))
        self.same("uppercase_runtime_exc", self.error(self.lam.update_function_configuration, FunctionName=name, Runtime="PYTHON3.9"))

    def test_function_revisions(self):
        # AWS was asked for a runtime that is not known here.
        self.replay("TestLambdaRevisions::test_function_revisions_basic", ignore={"Runtime"})
        name = self.name()
        rev1 = self.same("create_function_response_rev1", self.fixture(name, handler="index.handler"))["CreateFunctionResponse"]["RevisionId"]
        rev2 = self.same("get_function_response_rev2", self.lam.get_function(FunctionName=name))["Configuration"]["RevisionId"]
        code = make_zip({"index.py": ECHO_PY})
        self.same("update_function_revision_exception", self.error(self.lam.update_function_code, FunctionName=name, ZipFile=code, RevisionId=rev1))
        self.same("update_function_code_response_rev3", self.lam.update_function_code(FunctionName=name, ZipFile=code, RevisionId=rev2))
        self.updated(name)
        rev4 = self.same("get_function_response_rev4", self.lam.get_function(FunctionName=name))["Configuration"]["RevisionId"]
        self.same("update_function_configuration_revision_exception", self.error(self.lam.update_function_configuration, FunctionName=name, Runtime="python3.9", RevisionId=rev2))
        self.same("update_function_configuration_response_rev5", self.lam.update_function_configuration(FunctionName=name, Runtime="python3.9", RevisionId=rev4))
        self.updated(name)
        self.same("get_function_response_rev6", self.lam.get_function(FunctionName=name))

    def test_names_and_qualifiers(self):
        """Which names AWS takes: the parameter of the recorded case says which call and which kind of name."""
        long = "a" * 170
        cases = {
            "function_name_is_single_invalid": ("*", None), "invalid_characters_in_function_name": ("my-function!", None), "invalid_characters_in_qualifier": ("my-function", "invalid!"),
            "qualifier_too_long0": ("my-function", "a" * 129), "invalid_account_id_in_partial_arn": ("invalid-account:function:my-function", None),
            "invalid_region_in_arn": (f"arn:aws:lambda:invalid-region:{ACCOUNT}:function:my-function", None), "non_lambda_arn": (f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance:i-1234567890abcdef0", None),
            "function_name_too_long": ("a" * 65, None), "function_name_too_long_and_invalid_region": (f"arn:aws:lambda:invalid-region:{ACCOUNT}:function:my-function{long}", None),
            "full_arn_and_qualifier_too_long_and_invalid_region": (f"arn:aws:lambda:invalid-region:{ACCOUNT}:function:my-function-{long}:{'a' * 129}", None),
            "qualifier_too_long1": ("my-function", "a" * 65), "full_arn_with_multiple_qualifiers": (ARN + "my-function:1:2", None), "incomplete_arn": (ARN[:-1], None),
            "partial_arn_with_extra_qualifier": ("function:my-function:$LATEST:extra", None), "latest_version_with_additional_qualifier": ("my-function:$LATEST", "1"),
            "lowercase_latest_qualifier": ("my-function", "$latest"), "missing_region_in_arn": (f"arn:aws:lambda::{ACCOUNT}:function:my-function", None),
            "missing_account_id_in_arn": (f"arn:aws:lambda:{REGION}::function:my-function", None), "misspelled_latest_in_arn": (ARN + "my-function:$LATES", None),
            "qualifier_too_long": ("my-function", "a" * 129), "function_name_and_qualifier_too_long": ("my-function", "a" * 65),
        }
        seen = 0
        for scenario in sorted(s for s in self.recordings if "test_function_name_and_qualifier_validation[" in s):
            kind, call = scenario.split("[")[1].rstrip("]").rsplit("-", 1)
            name, qualifier = cases[kind]
            with self.subTest(scenario=scenario):
                if call == "create_function":
                    e = self.error(self.create, name=f"{name}:{qualifier}" if qualifier else name)
                else:
                    e = self.error(getattr(self.lam, call), FunctionName=name, **({"Qualifier": qualifier} if qualifier else {}))
                code, message = e["Error"]["Code"], e["Error"]["Message"]
                if code == "ValidationException":
                    count, errors = message.split(" validation error", 1)
                    answer = {"Code": code, "Count": int(count), "Errors": errors.split("detected: ", 1)[1].split("; ")}
                else:
                    answer = {"Code": code, "Message": message}
                self.replay(scenario)
                self.same(f"{call}_exception", answer)
                seen += 1
        self.assertGreater(seen, 30)

    def test_size_limits(self):
        self.replay("TestLambdaSizeLimits::test_large_environment_variables_fails")
        self.same("failed_create_fn_result", self.error(self.create, Environment={"Variables": json.loads(self.replies["failed_create_fn_result"]["Error"]["Message"].split("measured: ")[1])}))
        self.replay("TestLambdaSizeLimits::test_lambda_envvars_near_limit_succeeds")
        recorded = self.replies["successful_create_fn_result"]
        self.same("successful_create_fn_result", self.fixture(self.name(), Environment=recorded["CreateFunctionResponse"]["Environment"]))
        self.replay("TestLambdaSizeLimits::test_oversized_unzipped_lambda")
        self.same("invalid_param_exc", self.error(self.create, code=b"\0" * 262144001))

    def test_total_code_size(self):
        self.replay("TestLambdaAccountSettings::test_account_settings_total_code_size_config_update")
        used = lambda: self.lam.get_account_settings()["AccountUsage"]["TotalCodeSize"]  # noqa: E731
        name, before = self.name(), used()
        self.create(name, code="# " + os.urandom(400).hex())
        created = used()
        self.same("is_total_code_size_diff_create_function_more_than_200", created - before > 200)
        self.lam.update_function_configuration(FunctionName=name, Description="other")
        self.same("total_code_size_diff_update_function_configuration", used() - created)
        self.lam.publish_version(FunctionName=name)
        self.same("is_total_code_size_diff_publish_version_after_config_update_more_than_200", used() - created > 200)


class Versions(LambdaReplay):
    def test_version_lifecycle(self):
        self.replay("TestLambdaVersions::test_version_lifecycle")
        name, lam = self.name(), self.lam
        self.same("create_response", self.create(name, handler="index.handler", Description="No version :("))
        self.same("get_function_result", lam.get_function(FunctionName=name))
        self.same("list_versions_result", lam.list_versions_by_function(FunctionName=name))
        self.same("first_update_response", lam.update_function_configuration(FunctionName=name, Description="First version :)"))
        self.same("first_update_get_function", lam.get_function(FunctionName=name))
        self.same("first_publish_response", lam.publish_version(FunctionName=name, Description="First version description :)"))
        self.same("first_publish_get_function", lam.get_function(FunctionName=name, Qualifier="1"))
        self.same("first_publish_get_function_config", lam.get_function_configuration(FunctionName=name, Qualifier="1"))
        self.same("second_update_response", lam.update_function_configuration(FunctionName=name, Description="Second version :))"))
        self.same("first_publish_get_function_after_update", lam.get_function(FunctionName=name, Qualifier="1"))
        self.same("second_publish_response", lam.publish_version(FunctionName=name))
        self.same("third_publish_response", lam.publish_version(FunctionName=name, Description="Third version description :)))"))
        self.same("list_versions_result_after_third_publish", lam.list_versions_by_function(FunctionName=name))
        lam.delete_function(FunctionName=name, Qualifier="1")
        self.same("list_versions_result_after_deletion_of_first_version", lam.list_versions_by_function(FunctionName=name))

    def test_publish(self):
        self.replay("TestLambdaVersions::test_publish_with_wrong_revisionid", ignore={"SnapStart", "LoggingConfig", "RuntimeVersionConfig"})
        name = self.name()
        self.same("create_response", self.create(name, runtime=self.replies["create_response"]["Runtime"], handler="index.handler"))
        got = self.same("get_fn_response", self.lam.get_function(FunctionName=name))
        self.same("publish_wrong_revisionid_exc", self.error(self.lam.publish_version, FunctionName=name, RevisionId="doesntexist"))
        self.same("publish_result", self.lam.publish_version(FunctionName=name, RevisionId=got["Configuration"]["RevisionId"]))
        # AWS was asked while the update went on; here it is over when its answer leaves.
        self.replay("TestLambdaVersions::test_publish_with_update", ignore=GOING_ON)
        name = self.name()
        self.same("create_response", self.create(name, handler="index.handler"))
        self.same("get_function_result", self.lam.get_function(FunctionName=name))
        self.same("update_function_code_result", self.lam.update_function_code(FunctionName=name, ZipFile=make_zip({"index.py": "x = 1\n"}), Publish=True))
        self.same("get_function_version_result", self.lam.get_function(FunctionName=name, Qualifier="1"))
        self.same("get_function_latest_result", self.lam.get_function(FunctionName=name, Qualifier="$LATEST"))

    def test_aliases(self):
        self.replay("TestLambdaAlias::test_alias_naming")
        name, env = self.name(), {"Environment": {"Variables": {"testenv": "staging"}}}
        self.same("create_response", self.create(name, handler="index.handler", **env))
        self.same("publish_v1", self.lam.publish_version(FunctionName=name))
        self.same("create_alias_date", self.lam.create_alias(FunctionName=name, Name="2024-01-02", FunctionVersion="1", Description="custom-alias"))
        self.same("get_alias_date", self.lam.get_alias(FunctionName=name, Name="2024-01-02"))
        self.same("create_alias_number_exception", self.error(self.lam.create_alias, FunctionName=name, Name="2024", FunctionVersion="1"))
        self.replay("TestLambdaAlias::test_non_existent_alias_deletion")
        name = self.name()
        self.same("create_response", self.create(name, handler="index.handler", **env))
        self.same("delete_alias_response", self.lam.delete_alias(FunctionName=name, Name="non-existent"))
        self.replay("TestLambdaAlias::test_non_existent_alias_update")
        name = self.name()
        self.same("create_response", self.create(name, handler="index.handler", **env))
        self.same("update_alias_response", self.error(self.lam.update_alias, FunctionName=name, Name="non-existent"))


class Around(LambdaReplay):
    """Tags, permissions, concurrency, logging, layers."""

    def test_tags(self):
        self.replay("TestLambdaTags::test_tag_lifecycle")
        name, lam = self.name(), self.lam
        arn = ARN + name
        self.fixture(name, Tags={"key_a": "value_a"})

        def both(label):
            self.same(f"list_tags_response_{label}", lam.list_tags(Resource=arn))
            self.same(f"get_fn_response_{label}", lam.get_function(FunctionName=name))

        both("postfncreate")
        self.same("tag_resource_response", lam.tag_resource(Resource=arn, Tags={f"key_{c}": f"value_{c}" for c in "bcde"}))
        both("postaddtags")
        self.same("tag_resource_overwrite", lam.tag_resource(Resource=arn, Tags={"key_c": "value_x"}))
        both("overwrite")
        lam.untag_resource(Resource=arn, TagKeys=["key_c", "key_d"])
        both("postuntag")
        lam.untag_resource(Resource=arn, TagKeys=["key_a", "key_b", "key_e"])
        both("postuntagall")
        lam.delete_function(FunctionName=name)
        self.same("list_tags_postdelete", self.error(lam.list_tags, Resource=arn))

    def test_tag_exceptions(self):
        self.replay("test_tag_exceptions[lambda_function]")
        for kind, call, more in (("tag", self.lam.tag_resource, {"Tags": {"A": "B"}}), ("untag", self.lam.untag_resource, {"TagKeys": ["A"]}), ("list", self.lam.list_tags, {})):
            self.same(f"not_found_exception_{kind}", self.error(call, Resource=ARN + "none", **more))
        self.same("aliased_arn_exception", self.error(self.lam.tag_resource, Resource=ARN + "none:alias", Tags={"A": "B"}))
        self.same("invalid_arn_exception", self.error(self.lam.tag_resource, Resource=ARN.replace("function", "foobar") + "none", Tags={"A": "B"}))

    def test_permissions(self):
        self.replay("TestLambdaPermissions::test_add_lambda_permission_aws")
        name, lam = self.name(), self.lam
        self.same("create_lambda", self.fixture(name))
        self.same("add_permission", self.policy(lam.add_permission(FunctionName=name, StatementId="s3", **S3), "Statement"))
        self.same("get_policy", self.policy(lam.get_policy(FunctionName=name)))
        lam.delete_function(FunctionName=name)
        self.replay("TestLambdaPermissions::test_lambda_permission_revisions", ignore={"LoggingConfig", "Runtime", "RuntimeVersionConfig", "SnapStart"})
        self.fixture(name, runtime="python3.9")
        lam.add_permission(FunctionName=name, StatementId="s3", **S3)
        self.same("add_permission_revision_id_doesnotmatch", self.error(lam.add_permission, FunctionName=name, StatementId="s3_2", RevisionId="wrong", **S3))
        self.same("remove_permission_fn_revision_id_doesnotmatch", self.error(lam.remove_permission, FunctionName=name, StatementId="s3", RevisionId="wrong"))
        lam.add_permission(FunctionName=name, StatementId="s3_2", **S3)
        lam.publish_version(FunctionName=name)
        lam.add_permission(FunctionName=name, Qualifier="1", StatementId="s3_2", **S3)
        lam.update_function_configuration(FunctionName=name, Runtime="python3.10")
        self.same("get_policy_after_publish_version", self.policy(lam.get_policy(FunctionName=name)))
        self.same("get_policy_v1_after_publish_version", self.policy(lam.get_policy(FunctionName=name, Qualifier="1")))
        self.same("get_function_fn8", lam.get_function(FunctionName=name))
        self.same("get_function_fn8_v1", lam.get_function(FunctionName=name, Qualifier="1"))
        lam.add_permission(FunctionName=name, Qualifier="1", StatementId="s3_3", **S3)
        self.same("get_function_fn9", lam.get_function(FunctionName=name))
        self.same("get_function_fn9_v1", lam.get_function(FunctionName=name, Qualifier="1"))
        self.same("get_policy_v1_after_add_permission9", self.policy(lam.get_policy(FunctionName=name, Qualifier="1")))

    def test_reserved_concurrency(self):
        self.replay("TestLambdaReservedConcurrency::test_function_concurrency")
        name, lam = self.name(), self.lam
        self.fixture(name)
        for n in (0, 1):
            self.same(f"put_function_concurrency_with_reserved_{n}", lam.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=n))
        self.same("get_function_concurrency", lam.get_function_concurrency(FunctionName=name))
        self.same("delete_response", lam.delete_function_concurrency(FunctionName=name))
        self.same("get_function_concurrency_after_delete", lam.get_function_concurrency(FunctionName=name))
        self.replay("TestLambdaReservedConcurrency::test_function_concurrency_limits")
        limit = lam.get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
        self.same("put_function_concurrency_account_limit_exceeded", self.error(lam.put_function_concurrency, FunctionName=name, ReservedConcurrentExecutions=limit + 1))
        self.same("put_function_concurrency_below_unreserved_min_value", self.error(lam.put_function_concurrency, FunctionName=name, ReservedConcurrentExecutions=limit - 99))

    def test_logging_configuration(self):
        if "LoggingConfig" in self.unknown():
            self.skipTest("this client has no LoggingConfig; current ones run it")

        def begin(scenario):
            self.replay(scenario)
            name = self.name()
            self.same("create_response", self.fixture(name, Timeout=5, MemorySize=256))
            self.same("get_function_response", self.lam.get_function(FunctionName=name))
            self.same("function_config", self.lam.get_function_configuration(FunctionName=name))
            return name

        def change(name, config, suffix=""):
            self.same("updated_config" + suffix, self.lam.update_function_configuration(FunctionName=name, LoggingConfig=config))
            self.updated(name)
            self.same("received_config" + suffix, self.lam.get_function_configuration(FunctionName=name))

        name = begin("TestLoggingConfig::test_advanced_logging_configuration_format_switch")
        change(name, {"LogFormat": "JSON"})
        change(name, {"LogFormat": "Text"}, "_v2")
        change(begin("TestLoggingConfig::test_function_partial_advanced_logging_configuration_update[partial_config2]"), {"LogFormat": "JSON", "SystemLogLevel": "DEBUG"})
        change(begin("TestLoggingConfig::test_function_partial_advanced_logging_configuration_update[partial_config3]"), {"LogGroup": "cool_lambda"})

    def test_layer_lifecycle(self):
        self.replay("TestLambdaLayer::test_layer_lifecycle")
        name, layer, lam = self.name(), "layer-" + self.name(), self.lam
        content = {"LayerName": layer, "Content": {"ZipFile": make_zip({"python/x.py": "x = 1\n"})}, "Description": "mine", "LicenseInfo": "MIT", "CompatibleRuntimes": ["python3.12"], "CompatibleArchitectures": ["x86_64"]}
        self.fixture(name)
        self.same("get_fn_result", lam.get_function(FunctionName=name))
        self.same("get_fn_config_result", lam.get_function_configuration(FunctionName=name))
        one = self.same("publish_result", lam.publish_layer_version(**content))["LayerVersionArn"]
        self.same("publish_result_2", lam.publish_layer_version(**content))
        self.same("update_fn_config", lam.update_function_configuration(FunctionName=name, Layers=[one]))
        self.updated(name)
        self.same("get_fn_config", lam.get_function_configuration(FunctionName=name))
        self.same("get_layer_ver_result", lam.get_layer_version(LayerName=layer, VersionNumber=1))
        self.same("get_layer_by_arn_version", lam.get_layer_version_by_arn(Arn=one))
        self.same("list_layer_versions_predelete", lam.list_layer_versions(LayerName=layer))
        self.same("delete_layer_1", lam.delete_layer_version(LayerName=layer, VersionNumber=1))
        self.same("get_fn_config_postdelete", lam.get_function_configuration(FunctionName=name))
        self.same("delete_layer_2", lam.delete_layer_version(LayerName=layer, VersionNumber=2))
        self.same("list_layer_versions_postdelete", lam.list_layer_versions(LayerName=layer))
        self.same("publish_result_3", lam.publish_layer_version(**content))
        self.replay("test_layer_compatibilities[runtimes2]")
        self.same("publish_result", lam.publish_layer_version(LayerName="layer-" + self.name(), Content=content["Content"], CompatibleRuntimes=["provided.al2023", "provided.al2", "provided"], CompatibleArchitectures=["arm64", "x86_64"]))

    def test_layer_exceptions(self):
        self.replay("TestLambdaLayer::test_layer_function_exceptions")
        name, layer, lam = self.name(), "layer-" + self.name(), self.lam
        content = {"Content": {"ZipFile": make_zip({"python/x.py": "x = 1\n"})}, "CompatibleRuntimes": [], "CompatibleArchitectures": ["x86_64"]}
        arns = [self.same("publish_result" + suffix, lam.publish_layer_version(LayerName=layer, **content))["LayerVersionArn"] for suffix in ("", "_2", "_3")]
        self.fixture(name)
        self.same("get_fn_result", lam.get_function(FunctionName=name))

        def refused(label, layers):
            self.same(label, self.error(lam.update_function_configuration, FunctionName=name, Layers=layers))

        refused("two_layer_versions_single_function_exc", arns[:2])
        refused("three_layer_versions_single_function_exc", arns)
        refused("two_identical_layer_versions_single_function_exc", [arns[0], arns[0]])
        refused("add_nonexistent_layer_exc", [arns[0].replace(layer, "doesnotexist")])
        refused("add_nonexistent_layer_version_exc", [arns[0][:-1] + "9"])
        refused("add_layer_arn_without_version_exc", [arns[0][:-2]])
        other = self.server.client("lambda", region="eu-west-1").publish_layer_version(LayerName=layer, Content=content["Content"])["LayerVersionArn"]
        recorded = self.replies["create_function_with_layer_in_different_region"]["Error"]
        refusal = self.error(self.create, Layers=[other])
        self.assertEqual(refusal["Error"]["Code"], recorded["Code"])
        self.assertIn("Layers are not in the same region as the function", refusal["Error"]["Message"])

    def test_layer_permissions(self):
        self.replay("TestLambdaLayer::test_layer_policy_exceptions")
        layer, lam = "layer-" + self.name(), self.lam
        at = {"LayerName": layer, "VersionNumber": 1}
        star = {"Action": "lambda:GetLayerVersion", "Principal": "*"}
        zip_file = make_zip({"python/x.py": "x = 1\n"})
        arn = self.same("publish_result", lam.publish_layer_version(LayerName=layer, Content={"ZipFile": zip_file}, CompatibleRuntimes=["python3.12"], CompatibleArchitectures=["x86_64"]))["LayerVersionArn"]
        self.same("layer_permission_nopolicy_get", self.error(lam.get_layer_version_policy, **at))
        self.same("add_layer_permission_result", self.policy(lam.add_layer_version_permission(StatementId="s1", **at, **star), "Statement"))
        self.same("layer_permission_action_invalid", self.error(lam.add_layer_version_permission, StatementId="s2", **at, **{**star, "Action": "*"}))
        self.same("layer_permission_duplicate_statement", self.error(lam.add_layer_version_permission, StatementId="s1", **at, **star))
        self.same("layer_permission_wrong_revision", self.error(lam.add_layer_version_permission, StatementId="s2", RevisionId="wrong", **at, **star))
        for what, where in (("layername", {"LayerName": layer + "-doesnotexist", "VersionNumber": 1}), ("layerversion", {"LayerName": layer, "VersionNumber": 2})):
            self.same(f"layer_permission_{what}_doesnotexist_add", self.error(lam.add_layer_version_permission, StatementId="s1", **where, **star))
            self.same(f"layer_permission_{what}_doesnotexist_get", self.error(lam.get_layer_version_policy, **where))
            self.same(f"layer_permission_{what}_doesnotexist_remove", self.error(lam.remove_layer_version_permission, StatementId="s1", **where))
        self.same("layer_permission_statementid_doesnotexist_remove", self.error(lam.remove_layer_version_permission, StatementId="doesnotexist", **at))
        self.same("layer_permission_wrong_revision_remove", self.error(lam.remove_layer_version_permission, StatementId="s1", RevisionId="wrong", **at))
        # What is shared can be used by another account, and by its functions; what is not cannot.
        other = self.server.client("lambda", key="111122223333")
        self.assertEqual(other.get_layer_version_by_arn(Arn=arn)["Version"], 1)
        other.create_function(FunctionName="borrower", Runtime="python3.12", Role=ROLE, Handler="x.y", Code={"ZipFile": zip_file}, Layers=[arn])
        lam.remove_layer_version_permission(StatementId="s1", **at)
        self.assertEqual(self.error(other.get_layer_version_by_arn, Arn=arn)["Error"]["Code"], "AccessDeniedException")


class Invocations(LambdaReplay):
    def test_request_response(self):
        name, other = self.name(), self.name()
        self.create(name, runtime="python3.11")
        self.create(other, code="exports.handler = async () => {};\n", runtime="nodejs22.x", handler="index.handler")
        self.replay("test_invocation_type_request_response[python3.10]")
        self.same("invoke-result", self.invoke(name))
        self.replay("test_invocation_type_event[python3.9]")
        self.same("invoke-result", self.invoke(name, InvocationType="Event"))
        self.replay("test_invocation_type_dry_run[nodejs16.x]")
        self.same("invoke-result", self.invoke(name, InvocationType="DryRun"))
        self.replay("test_invocation_type_no_return_payload[nodejs-RequestResponse]")
        answer = self.invoke(other)
        self.same("invoke-result", {**answer, "Payload": json.dumps(answer["Payload"])})
        self.replay("TestLambdaBehavior::test_lambda_cache_local[python]")
        self.create("cache", code="n = -1\ndef handler(event, context):\n    global n\n    n += 1\n    return {'counter': n}\n", runtime="python3.11")
        self.same("first_invoke_result", self.invoke("cache"))
        self.same("second_invoke_result", self.invoke("cache"))

    def test_logs_of_an_invocation(self):
        for scenario, runtime, handler, code in (("python3.10", "python3.11", "handler.handler", ECHO_PY), ("nodejs16.x", "nodejs22.x", "index.handler", ECHO_JS)):
            name = self.name()
            self.create(name, code=code, runtime=runtime, handler=handler)
            self.replay(f"test_invocation_with_logs[{scenario}]")
            answer = self.same("invoke", {**self.invoke(name, LogType="Tail"), })
            lines = base64.b64decode(answer["LogResult"]).decode().splitlines(keepends=True)
            recorded = self.replies["logs"]["logs"]
            self.assertEqual(len(lines), len(recorded), lines)
            for i, (a, b) in enumerate(zip(recorded, lines)):
                self.match.text(a.replace("date\t", "<date>\t"), b, f"logs[{i}]")

    def test_timeout(self):
        self.replay("TestLambdaBehavior::test_lambda_invoke_with_timeout")
        name = self.name()
        self.create(name, code="import time\n\ndef handler(event, context):\n    time.sleep(30)\n", runtime="python3.11", Timeout=1)
        self.same("invoke-result", self.invoke(name))

    def test_errors_of_functions(self):
        self.replay("test_uncaught_exception_invoke[nodejs22.x]")
        name = self.name()
        self.same("create_function_result", self.create(name, code="exports.handler = async () => { throw new Error('Error: some_error_msg'); };\n", runtime="nodejs22.x", handler="index.handler", MemorySize=1024))
        self.same("error_result", self.readable(self.invoke(name)))
        self.replay("test_uncaught_exception_invoke[python3.13]")
        name = self.name()
        self.create(name, code="def handler(event, context):\n    raise Exception('Failed: some_error_msg')\n", runtime="python3.11", MemorySize=1024)
        self.same("error_result", self.readable(self.invoke(name)))
        self.replay("TestLambdaErrors::test_lambda_runtime_error")
        name = self.name()
        self.create(name, code="raise Exception('Runtime startup fails')\n", runtime="python3.11", handler="lambda_runtime_error.handler")
        answer = self.invoke(name)
        # The stack is of another Python; its last frame is the function's own.
        recorded, stack = self.replies["invocation_error"]["Payload"]["stackTrace"], answer["Payload"]["stackTrace"]
        self.assertEqual(stack[-1].replace("'", '"'), recorded[-1])
        answer["Payload"]["stackTrace"] = recorded
        self.same("invocation_error", answer)

    def readable(self, answer):
        for key in ("trace", "stackTrace"):
            if key in answer["Payload"]:
                answer["Payload"][key] = json.dumps(answer["Payload"][key])
        return answer

    def test_context(self):
        self.replay("TestLambdaFeatures::test_lambda_with_context", ignore={"LoggingConfig"})
        name = self.name()
        code = "exports.handler = async (event, context) => ({ context: { ...context } });\n"
        self.create(name, code=code, runtime="nodejs22.x", handler="lambda_integration.handler", Timeout=30)
        context = {"custom": {"foo": "bar"}, "client": {"snap": ["crackle", "pop"]}, "env": {"fizz": "buzz"}}
        answer = self.invoke(name, ClientContext=base64.b64encode(json.dumps(context).encode()).decode())
        answer["Payload"]["context"].pop("identity", None)
        self.same("invocation", answer)

    def test_versions_with_code_changes(self):
        self.replay("TestLambdaVersions::test_lambda_versions_with_code_changes", ignore={"Runtime", "RuntimeVersionConfig"})
        name, lam = self.name(), self.lam

        def code(n):
            return make_zip({"handler.py": VERSION_PY % n})

        self.same("create_response", self.create(name, code=VERSION_PY % 1, runtime="python3.11", Description="No version :("))
        self.same("first_publish_response", lam.publish_version(FunctionName=name, Description="First version description :)"))
        self.same("update_lambda_response", lam.update_function_code(FunctionName=name, ZipFile=code(2)))
        self.updated(name)
        self.same("invocation_result_latest", self.invoke(name))
        self.same("invocation_result_v1", self.invoke(name, Qualifier="1"))
        self.same("second_publish_response", lam.publish_version(FunctionName=name, Description="Second version description :)"))
        self.same("invocation_result_v2", self.invoke(name, Qualifier="2"))
        self.same("update_lambda_response_with_publish", lam.update_function_code(FunctionName=name, ZipFile=code(3), Publish=True))
        self.same("invocation_result_v3", self.invoke(name, Qualifier="3"))
        self.same("invocation_result_latest_end", self.invoke(name))
        self.same("invocation_result_v2_end", self.invoke(name, Qualifier="2"))
        self.same("invocation_result_v1_end", self.invoke(name, Qualifier="1"))

    def test_throttling(self):
        self.replay("TestLambdaConcurrency::test_lambda_concurrency_block", ignore={"Runtime", "RuntimeVersionConfig"})
        name = self.name()
        self.create(name, runtime="python3.11", Timeout=30, Environment={"Variables": {}})
        self.same("v1_result", self.lam.publish_version(FunctionName=name))
        self.same("reserved_concurrency_result", self.lam.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1))
        self.same("invoke_latest_before_block", self.invoke(name, b'{"hello": "world"}'))
        self.lam.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
        self.same("invoke_latest_first_exc", self.error(self.lam.invoke, FunctionName=name, Payload=b"{}"))

    def test_environment_of_a_function(self):
        self.replay("test_introspection_invoke[nodejs20.x]")
        name = self.name()
        self.create(name, code="exports.handler = async (e, c) => ({ env: process.env, c: { ...c } });\n", runtime="nodejs22.x", handler="index.handler", MemorySize=1024, Environment={"Variables": {"TEST_KEY": "TEST_VAL"}})
        body = self.invoke(name)["Payload"]
        recorded, env = self.replies["invocation_result_payload"]["environment"], body["env"]
        # What differs with the machine; X-Ray, of which there is none; keys of functions are lasting ones and have no token.
        own = {"AWS_EXECUTION_ENV", "AWS_LAMBDA_RUNTIME_API", "LD_LIBRARY_PATH", "NODE_PATH", "PATH"}
        missing = sorted(k for k in recorded if k not in env and "XRAY" not in k and k != "AWS_SESSION_TOKEN")
        self.assertEqual(missing, [])
        for key, value in recorded.items():
            if key in env and key not in own and "XRAY" not in key:
                self.match.text(value, env[key], key)
        self.assertIn("/opt/nodejs/node_modules", env["NODE_PATH"])
        # With its qualifier spelled out, the function's own name has it, too.
        body = self.invoke(name, Qualifier="$LATEST")["Payload"]
        self.match.text(self.replies["invocation_result_payload_qualified"]["ctx"]["invoked_function_arn"], body["c"]["invokedFunctionArn"], "qualified")

    def test_log_events(self):
        self.replay("TestCloudwatchLogs::test_multi_line_prints")
        name, logs = self.name(), self.server.client("logs")
        self.create(name, code="def handler(event, context):\n    print('multi\\nline\\nstring')\n    print('another\\rline')\n", runtime="python3.11")
        self.invoke(name)
        for _ in range(100):
            try:
                events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
                if events and events[-1]["message"].startswith("REPORT"):
                    break
            except logs.exceptions.ResourceNotFoundException:
                pass
            time.sleep(0.05)
        messages = [e["message"] for e in events]
        recorded = [e["message"] for e in self.replies["log-events"]]
        self.assertEqual(len(messages), len(recorded), messages)
        for i, (a, b) in enumerate(zip(recorded, messages)):
            self.match.text(a.replace("python:3.13.v", "python:<python>.v"), b, f"log-events[{i}]")
        self.assertEqual(set(events[0]), set(self.replies["log-events"][0]))



if __name__ == "__main__":
    unittest.main()
