"""Every error that AWS was recorded to answer for lambda, logs and sts is provoked here through the wire and must be answered word
for word, or stands in NOT_BUILT with the reason. (API Gateway's stand in src/services/apigateway/recorded_test.cc.)"""
import io
import unittest
import zipfile

from botocore.exceptions import ClientError

import recorded
from harness import ECHO, ROLE, Server, make_zip
from recorded import ACCOUNT, REGION, Match

ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"
LAYER = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:"

# Rows whose operation or feature is not built: scenario of aws-errors.tsv -> why. The list may only shrink (see MOST_NOT_BUILT).
ESM, ASYNC, PROVISIONED, SIGNING, URLS = "event source mappings", "event invoke configurations", "provisioned concurrency", "code signing", "function URLs"
NOT_BUILT = {
    "test_code_signing_not_found_excs.put_function_csc_invalid_csc_arn": SIGNING,
    "test_code_signing_not_found_excs.delete_function_csc_fnnotfound": SIGNING,
    "test_code_signing_not_found_excs.delete_csc_notfound": SIGNING,
    "test_invalid_vpc_config_security_group.create-response-non-existent-security-group": "VPC configuration",
    "test_create_event_source_self_managed.missing-source-access-configuration": ESM,
    "test_create_event_source_self_managed.multiple-duplicate-source": ESM,
    "test_esm_with_not_existing_sqs_queue.error": ESM,
    "test_esm_with_not_existing_kinesis_stream.error": ESM,
    "test_event_source_mapping_exceptions.destination_config_failure": ESM,
    "test_create_event_source_validation.incompatible_starting_position": ESM,
    "test_create_event_source_validation.invalid_starting_position": ESM,
    "test_provisioned_concurrency_limits.put_provisioned_concurrency_below_unreserved_min_value": PROVISIONED,
    "test_provisioned_concurrency_limits.put_provisioned_concurrency_account_limit_exceeded": PROVISIONED,
    "test_provisioned_concurrency_exceptions.put_provisioned_latest": PROVISIONED,
    "test_provisioned_concurrency_exceptions.put_provisioned_invalid_param_0": PROVISIONED,
    "test_provisioned_concurrency_exceptions.get_provisioned_qualifier_doesnotexist": PROVISIONED,
    "test_provisioned_concurrency_exceptions.get_provisioned_functionname_doesnotexist": PROVISIONED,
    "test_reserved_provisioned_overlap.reserved_equals_provisioned_another_provisioned_exc": PROVISIONED,
    "test_lambda_provisioned_lifecycle.put_provisioned_on_alias_versionconflict": PROVISIONED,
    "test_lambda_provisioned_lifecycle.put_provisioned_on_version_conflict": PROVISIONED,
    "test_lambda_provisioned_lifecycle.get_provisioned_alias_postaliasdelete": PROVISIONED,
    "test_lambda_code_location_s3_errors.create-error-wrong-bucket": "code from S3",
    "test_lambda_eventinvokeconfig_exceptions.put_destination_lambda_doesntexist": ASYNC,
    "test_lambda_eventinvokeconfig_exceptions.put_destination_invalid_service_arn": ASYNC,
    "test_lambda_eventinvokeconfig_exceptions.put_destination_invalid_arn_pattern": ASYNC,
    "test_lambda_eventinvokeconfig_exceptions.put_functionname_nootherargs": ASYNC,
    "test_lambda_eventinvokeconfig_exceptions.put_functionname_name_notfound": ASYNC,
    "test_lambda_eventinvokeconfig_exceptions.get_qualifier_doesnotexist": ASYNC,
    "test_lambda_eventinvokeconfig_exceptions.delete_function_doesnotexist": ASYNC,
    "test_lambda_eventinvokeconfig_lifecycle.get_invokeconfig_postpublish": ASYNC,
    "test_ops_on_nonexisting_version.version_not_found_exception": ASYNC,
    "test_ops_on_nonexisting_fn.not_found_exception": "function URLs and event invoke configurations, which its two rows are of",
    "test_lambda_concurrent_code_updates.update-during-in-progress-update-exc": "no update is in progress once its answer has left",
    "test_url_config_exceptions.create_function_url_config_qualifier_version_doesnotexist": URLS,
    "test_lambda_url_invalid_invoke_mode.invoke_function_invalid_invoke_type": URLS,
    "test_put_function_recursion_config_invalid_value.put_recursion_invalid_value_error": "recursion control",
    "test_put_subscription_filter_errors.error-log-group-not-found": "subscription filters",
    "test_put_subscription_filter_errors.error-kinesis-not-found": "subscription filters",
    "test_delete_subscription_filter_errors.error-filter-not-found": "subscription filters",
    "test_describe_metric_filters_invalid_parameters.error-invalid-metric-name": "metric filters",
    "test_put_metric_filter_invalid_filter_name.error-invalid-filter-name": "metric filters",
    "test_put_metric_filter_invalid_filter_pattern.error-invalid-filter-pattern": "metric filters",
    "test_put_resource_policy_limit_exceeded.error-limit-exceeded": "resource policies of logs",
    "test_put_delivery_source_invalid_resource.error-invalid-resource": "deliveries of logs",
    "test_get_delivery_destination_not_found.error-not-found": "deliveries of logs",
    "test_delete_delivery_source.error-after-delete": "deliveries of logs",
    "test_put_delivery_destination_invalid_format.error-invalid-format": "deliveries of logs",
}
MOST_NOT_BUILT = 47
# Recorded twice; the newer recording names ":$LATEST" and is compared in it_recorded_lambda.py.
OUTDATED = {"test_invoke_exceptions.invoke_function_doesnotexist"}
CASES = {}


def case(*names):
    def keep(function):
        for name in names:
            CASES[name] = function
        return function
    return keep


class World:
    """What the cases need of the server: clients that leave checking to it, and a few resources."""

    def __init__(self, server):
        self.server = server
        self.lam = server.client("lambda", parameter_validation=False)
        self.logs = server.client("logs", parameter_validation=False)
        self.sts = server.client("sts", parameter_validation=False)
        self.zip = make_zip({"index.js": ECHO})
        self.count = 0

    def base(self, **more):
        self.count += 1
        return {"FunctionName": f"f{self.count}", "Runtime": "nodejs22.x", "Role": ROLE, "Handler": "index.handler", "Code": {"ZipFile": self.zip}, **more}

    def function(self, **more):
        return self.lam.create_function(**self.base(**more))["FunctionName"]

    def layer(self):
        self.count += 1
        return self.lam.publish_layer_version(LayerName=f"l{self.count}", Content={"ZipFile": self.zip})


# Functions.
@case("test_function_arns.long_function_name_exc")
def _(w, row):
    w.lam.create_function(**w.base(FunctionName="a" * 65))


@case("test_function_arns.invalid_function_name_exc")
def _(w, row):
    w.lam.create_function(**w.base(FunctionName="invalid:function:name"))


@case("test_function_arns.function_arn_other_region_exc")
def _(w, row):
    w.lam.create_function(**w.base(FunctionName=f"arn:aws:lambda:ap-southeast-1:{ACCOUNT}:function:x"))


@case("test_create_lambda_exceptions.invalid_runtime_exc")
def _(w, row):
    w.lam.create_function(**w.base(Runtime="non-existent-runtime"))


@case("test_create_lambda_exceptions.invalid_zip_exc")
def _(w, row):
    w.lam.create_function(**w.base(Code={"ZipFile": b"this is not a zipfile, just a random string"}))


@case("test_create_lambda_exceptions.uppercase_architecture")
def _(w, row):
    w.lam.create_function(**w.base(Architectures=["X86_64"]))


@case("test_create_lambda_exceptions.multiple_architectures")
def _(w, row):
    w.lam.create_function(**w.base(Architectures=["x86_64", "arm64"]))


@case("test_create_deprecated_function_runtime_with_validation_enabled.deprecation_error")
def _(w, row):
    w.lam.create_function(**w.base(Runtime=row["message"].split("parameter of ")[1].split()[0]))


@case("test_snapstart_exceptions.create_function_invalid_snapstart_apply")
def _(w, row):
    w.lam.create_function(**w.base(SnapStart={"ApplyOn": "invalidOption"}))


@case("test_invalid_vpc_config_security_group.create-response-invalid-format-security-group")
def _(w, row):
    w.lam.create_function(**w.base(VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["bad_sg"]}))


@case("test_invalid_vpc_config_subnet.create-response-invalid-format-subnet-id")
def _(w, row):
    w.lam.create_function(**w.base(VpcConfig={"SubnetIds": ["bad_subnet"], "SecurityGroupIds": ["sg-1"]}))


@case("test_ops_with_arn_qualifier_mismatch.match_exception")
def _(w, row):
    call = w.lam.delete_function if "cannot be deleted" in row["message"] else w.lam.get_function
    call(FunctionName=ARN + "some-function:$LATEST", Qualifier="$LATEST")


@case("test_ops_with_arn_qualifier_mismatch.not_match_exception")
def _(w, row):
    w.lam.get_function(FunctionName=ARN + "some-function:1", Qualifier="$LATEST")


@case("test_function_lifecycle.delete_postdelete")
def _(w, row):
    name = w.function()
    w.lam.delete_function(FunctionName=name)
    w.lam.delete_function(FunctionName=name)


@case("test_oversized_request_create_lambda.invalid_param_exc")
def _(w, row):
    w.lam.create_function(**w.base(Code={"ZipFile": b"\0" * 53_000_000}))


@case("test_oversized_zipped_create_lambda.invalid_param_exc")
def _(w, row):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as z:
        z.writestr("index.js", b"\0" * 52428801)
    w.lam.create_function(**w.base(Code={"ZipFile": out.getvalue()}))


# Versions and aliases.
@case("test_publish_with_wrong_sha256.publish_wrong_sha256_exc")
def _(w, row):
    w.lam.publish_version(FunctionName=w.function(), CodeSha256="somenonexistentsha256")


@case("test_publish_with_wrong_revisionid.publish_wrong_revisionid_exc")
def _(w, row):
    w.lam.publish_version(FunctionName=w.function(), RevisionId="doesntexist")


@case("test_non_existent_alias_update.update_alias_response")
def _(w, row):
    w.lam.update_alias(FunctionName=w.function(), Name="non-existent")


@case("test_notfound_and_invalid_routingconfigs.alias_does_not_exist_esc")
def _(w, row):
    w.lam.get_alias(FunctionName=w.function(), Name="non-existent")


@case("test_notfound_and_invalid_routingconfigs.target_version_doesnotexist")
def _(w, row):
    w.lam.create_alias(FunctionName=w.function(), Name="custom", FunctionVersion="10")


@case("test_notfound_and_invalid_routingconfigs.routing_config_exc_subzero")
def _(w, row):
    w.lam.create_alias(FunctionName=w.function(), Name="custom", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": -1.0}})


@case("test_alias_naming.create_alias_number_exception")
def _(w, row):
    w.lam.create_alias(FunctionName=w.function(), Name="2024", FunctionVersion="$LATEST")


@case("test_alias_lifecycle.get_function_alias_notfound_exc")
def _(w, row):
    w.lam.get_function(FunctionName=w.function(), Qualifier="aliasdoesnotexist")


# Invocations.
@case("test_lambda_alias_moving.invocation_exc_not_existent")
def _(w, row):
    w.lam.invoke(FunctionName=w.function(), Qualifier="non-existent-alias", Payload=b"{}")


@case("test_invalid_invoke.invoke_function_name_pattern_exc")
def _(w, row):
    w.lam.invoke(FunctionName=row["message"].split("'")[1].replace("<partition>", "aws").replace("<region>", REGION), Payload=b"{}")


@case("test_lambda_concurrency_block.invoke_latest_first_exc")
def _(w, row):
    name = w.function()
    w.lam.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    w.lam.invoke(FunctionName=name, Payload=b"{}")


@case("test_function_concurrency_exceptions.put_function_concurrency_with_qualified_arn")
def _(w, row):
    w.lam.put_function_concurrency(FunctionName=ARN + w.function() + ":$LATEST", ReservedConcurrentExecutions=0)


# Permissions.
@case("test_permission_exceptions.add_permission_fn_qualifier_latest")
def _(w, row):
    w.lam.add_permission(FunctionName=w.function(), Qualifier="$LATEST", StatementId="s", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com")


@case("test_permission_exceptions.add_permission_fn_qualifier_invalid")
def _(w, row):
    w.lam.add_permission(FunctionName=w.function(), Qualifier="invalid-qualifier-with-?-char", StatementId="s", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com")


@case("test_permission_exceptions.add_permission_fn_qualifier_valid_doesnotexist")
def _(w, row):
    w.lam.add_permission(FunctionName=w.function(), Qualifier="valid-with-$-but-doesnotexist", StatementId="s", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com")


@case("test_permission_exceptions.remove_permission_fn_doesnotexist")
def _(w, row):
    w.lam.remove_permission(FunctionName="doesnotexist", StatementId="s")


@case("test_remove_multi_permissions.remove_permission_exception_nonexisting_sid")
def _(w, row):
    w.lam.remove_permission(FunctionName=w.function(), StatementId="non-existent")


# Tags.
@case("test_tag_exceptions.tag_empty_tags")
def _(w, row):
    w.lam.tag_resource(Resource=ARN + w.function(), Tags={})


@case("test_tag_exceptions.untag_empty_keys")
def _(w, row):
    w.lam.untag_resource(Resource=ARN + w.function(), TagKeys=[])


@case("test_tag_exceptions.tag_lambda_qualifier_doesnotexist")
def _(w, row):
    w.lam.tag_resource(Resource=ARN + w.function() + ":doesnotexist", Tags={"a": "b"})


@case("test_tag_exceptions.aliased_arn_exception")
def _(w, row):
    w.lam.tag_resource(Resource=f"arn:aws:lambda:{REGION}:{ACCOUNT}:capacity-provider:x:alias", Tags={"a": "b"})


@case("test_tag_limits.tag_lambda_too_many_tags")
def _(w, row):
    w.lam.tag_resource(Resource=ARN + w.function(), Tags={f"a_key{i}": "v" for i in range(51)})


# Layers.
@case("test_layer_function_quota_exception.create_function_with_six_layers")
def _(w, row):
    w.lam.create_function(**w.base(Layers=[w.layer()["LayerVersionArn"] for _ in range(6)]))


@case("test_layer_function_exceptions.add_nonexistent_layer_version_exc")
def _(w, row):
    w.lam.update_function_configuration(FunctionName=w.function(), Layers=[w.layer()["LayerArn"] + ":9"])


@case("test_layer_exceptions.get_layer_version_by_arn_exc_invalidarn")
def _(w, row):
    w.lam.get_layer_version_by_arn(Arn=LAYER + "x")


@case("test_layer_exceptions.list_layers_exc_compatibleruntime_invalid")
def _(w, row):
    w.lam.list_layers(CompatibleRuntime="runtimedoesnotexist")


@case("test_layer_exceptions.list_layers_exc_compatiblearchitecture_invalid")
def _(w, row):
    w.lam.list_layers(CompatibleArchitecture="archdoesnotexist")


@case("test_layer_exceptions.publish_layer_version_exc_partially_invalid_values")
def _(w, row):
    w.lam.publish_layer_version(LayerName="l", Content={"ZipFile": w.zip}, CompatibleRuntimes=["invalidruntime", "invalidruntime2", "nodejs20.x"], CompatibleArchitectures=["invalidarch", "x86_64"])


@case("test_layer_exceptions.publish_layer_version_exc_invalid_runtime_arch")
def _(w, row):
    w.lam.publish_layer_version(LayerName="l", Content={"ZipFile": w.zip}, CompatibleRuntimes=["invalidruntime"], CompatibleArchitectures=["invalidarch"])


@case("test_layer_policy_exceptions.layer_permission_wrong_revision")
def _(w, row):
    layer = w.layer()
    more = {"LayerName": layer["LayerArn"], "VersionNumber": 1, "Action": "lambda:GetLayerVersion", "Principal": "*"}
    w.lam.add_layer_version_permission(StatementId="s1", **more)
    w.lam.add_layer_version_permission(StatementId="s2", RevisionId="wrong", **more)


@case("test_layer_policy_exceptions.layer_permission_duplicate_statement")
def _(w, row):
    layer = w.layer()
    for _ in range(2):
        w.lam.add_layer_version_permission(LayerName=layer["LayerArn"], VersionNumber=1, StatementId="s1", Action="lambda:GetLayerVersion", Principal="*")


# Logs.
@case("test_get_log_events_limit_validation.error-limit-exceeded")
def _(w, row):
    w.logs.get_log_events(logGroupName="g", logStreamName="s", limit=10001)


@case("test_create_log_group_duplicate_error.error-duplicate-log-group")
def _(w, row):
    for _ in range(2):
        w.logs.create_log_group(logGroupName="twice")


# STS.
@case("test_assume_role_tag_validation.duplicate-tag-keys-different-casing")
def _(w, row):
    w.sts.assume_role(RoleArn=ROLE, RoleSessionName="session", Tags=[{"Key": "name", "Value": "1"}, {"Key": "Name", "Value": "2"}])


@case("test_sts_invalid_parameters.no-partition", "test_sts_invalid_parameters.no-service")
def _(w, row):
    w.sts.assume_role(RoleArn=row["message"].removesuffix(" is invalid"), RoleSessionName="session")


class RecordedErrors(unittest.TestCase):
    def test_every_recorded_error_is_answered_word_for_word_or_listed(self):
        if not recorded.required(f"{len(CASES)} recorded errors"):
            return
        rows = recorded.errors("lambda", "logs", "sts")
        self.assertLessEqual(len(NOT_BUILT), MOST_NOT_BUILT, "the list may only shrink")
        known = {r["scenario"] for r in rows}
        for name in [*CASES, *NOT_BUILT]:
            self.assertIn(name, known, "no such row any more")
        server = Server()
        self.addCleanup(server.close)
        world = World(server)
        for row in rows:
            scenario = row["scenario"]
            if scenario in NOT_BUILT or scenario in OUTDATED:
                continue
            with self.subTest(scenario=scenario, message=row["message"][:80]):
                self.assertIn(scenario, CASES, f"neither provoked nor listed: {row}")
                self.compare(row, self.provoke(world, row))

    def provoke(self, world, row):
        try:
            answer = CASES[row["scenario"]](world, row)
        except ClientError as e:
            error = e.response["Error"]
            return e.response["ResponseMetadata"]["HTTPStatusCode"], error["Code"], error["Message"]
        if answer is None:
            self.fail("no error was answered")
        return answer

    def compare(self, row, answer):
        status, code, message = answer
        match = Match()
        match.text(row["message"], message, "message")
        self.assertEqual((status, code, match.differences), (int(row["http"]), row["code"], []))


if __name__ == "__main__":
    unittest.main()
