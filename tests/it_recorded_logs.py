"""Scenarios of CloudWatch Logs and STS that were recorded from AWS, played by boto3 against the server (see it_recorded_lambda.py)."""
import time
import unittest

from botocore.exceptions import ClientError

from harness import ROLE
from recorded import ACCOUNT, REGION, Replay

GROUP = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:"


def now():
    return int(time.time() * 1000)


class Errors(Replay):
    def error(self, call, **arguments):
        with self.assertRaises(ClientError) as e:
            call(**arguments)
        return e.exception.response


class Logs(Errors):
    service = "logs"

    def setUp(self):
        self.logs = self.server.client("logs", parameter_validation=False)
        self.group = f"{self.id().rsplit('.', 1)[1]}-{now()}"
        self.logs.create_log_group(logGroupName=self.group)

    def unknown(self):
        known = self.logs.meta.service_model.shape_for("LogGroup").members
        return {"deletionProtectionEnabled", "logGroupArn", "logGroupClass"} - set(known)

    def test_events(self):
        logs, group = self.logs, self.group
        logs.create_log_stream(logGroupName=group, logStreamName="s")
        self.replay("test_put_log_events_to_invalid_stream")
        self.same("error-invalid-stream", self.error(logs.put_log_events, logGroupName=group, logStreamName="none", logEvents=[{"timestamp": now(), "message": "m"}]))
        self.replay("test_put_log_events_wrong_order")
        self.same("error-wrong-order", self.error(logs.put_log_events, logGroupName=group, logStreamName="s", logEvents=[{"timestamp": now(), "message": "a"}, {"timestamp": now() - 9000, "message": "b"}]))
        self.replay("test_put_log_events_too_new")
        self.same("response-too-new", logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=[{"timestamp": now() + 3 * 3600 * 1000, "message": "m"}]))
        self.replay("test_get_log_events_limit_validation")
        self.same("error-limit-exceeded", self.error(logs.get_log_events, logGroupName=group, logStreamName="s", limit=10001))
        self.replay("test_resource_does_not_exist")
        self.same("error-log-group-does-not-exist", self.error(logs.get_log_events, logGroupName="none", logStreamName="s"))
        self.same("error-log-stream-does-not-exist", self.error(logs.get_log_events, logGroupName=group, logStreamName="none"))
        self.replay("test_filter_log_events_unknown_token")
        self.same("invalid-token", self.error(logs.filter_log_events, logGroupName=group, nextToken="unknown"))

    def test_groups(self):
        logs = self.logs
        names = [f"pre-{self.group}-{i}" for i in range(3)]
        self.replay("test_create_log_group_invalid_name_length")
        self.same("error-invalid-name-length", self.error(logs.create_log_group, logGroupName="g" * 513))
        for name in names:
            logs.create_log_group(logGroupName=name)
        self.replay("test_describe_log_groups_with_prefix")
        self.same("describe-log-groups-prefix", logs.describe_log_groups(logGroupNamePrefix=f"pre-{self.group}"))
        self.replay("test_describe_log_groups_prefix_and_pattern_error")
        self.same("error-prefix-and-pattern", self.error(logs.describe_log_groups, logGroupNamePrefix="p", logGroupNamePattern="p"))
        # AWS went on to other groups of its account and gave a token; here the search is at its end.
        self.replay("test_describe_log_groups_with_pattern", ignore={"nextToken"})
        self.same("describe-log-groups-pattern", logs.describe_log_groups(logGroupNamePattern=names[1]))
        self.replay("test_create_log_stream_duplicate_error")
        logs.create_log_stream(logGroupName=self.group, logStreamName="s")
        self.same("error-duplicate-log-stream", self.error(logs.create_log_stream, logGroupName=self.group, logStreamName="s"))

    def test_tags(self):
        logs, name = self.logs, "tagged-" + self.group
        self.replay("test_tag_resource_api")
        logs.create_log_group(logGroupName=name, tags={"env": "testing1"})
        self.same("list-tags-after-create", logs.list_tags_log_group(logGroupName=name))

        def both(label):
            self.same(f"list-tags-log-group-{label}", logs.list_tags_log_group(logGroupName=name))
            self.same(f"list-tags-for-resource-{label}", logs.list_tags_for_resource(resourceArn=GROUP + name))

        logs.tag_resource(resourceArn=GROUP + name, tags={"test1": "val1", "test2": "val2"})
        both("after-tag-resource")
        logs.tag_log_group(logGroupName=name, tags={"test3": "val3"})
        both("after-tag-log-group")
        logs.untag_log_group(logGroupName=name, tags=["test3"])
        logs.untag_resource(resourceArn=GROUP + name, tagKeys=["env", "test1"])
        both("after-untag")

    def test_streams(self):
        logs, group = self.logs, self.group
        for i in range(3):
            logs.create_log_stream(logGroupName=group, logStreamName=f"stream-{i}")
        self.replay("test_describe_log_streams_with_prefix")
        self.same("describe-streams-with-prefix", logs.describe_log_streams(logGroupName=group, logStreamNamePrefix="stream"))
        if "logGroupIdentifier" not in logs.meta.service_model.operation_model("DescribeLogStreams").input_shape.members:
            return
        one = "one-" + group
        logs.create_log_group(logGroupName=one)
        logs.create_log_stream(logGroupName=one, logStreamName="s")
        self.replay("test_describe_log_streams_with_log_group_identifier")
        self.same("describe-streams-identifier-name", logs.describe_log_streams(logGroupIdentifier=one))
        self.same("describe-streams-identifier-arn", logs.describe_log_streams(logGroupIdentifier=GROUP + one))
        self.same("error-both-name-and-identifier", self.error(logs.describe_log_streams, logGroupName=one, logGroupIdentifier=one))


class Tokens(Errors):
    service = "sts"

    def test_sts_invalid_parameters(self):
        self.replay("test_sts_invalid_parameters")
        sts = self.server.client("sts", parameter_validation=False)
        for label, arn in (("malformed-arn", "nothing-valid-in-here"), ("no-partition", "arn::b:::something/test-role"), ("no-service", "arn:a::::something/test-role"), ("not-enough-colons", "arn:a:::something/test-role"), ("no-resource", "arn:a:a::aaaaaaaaaa:")):
            self.same(label, self.error(sts.assume_role, RoleArn=arn, RoleSessionName="Session1"))
        self.same("invalid-session-name", self.error(sts.assume_role, RoleArn=ROLE, RoleSessionName="Session1:2"))

    def test_assume_role_tags(self):
        self.replay("test_assume_role_tag_validation")
        sts = self.server.client("sts", parameter_validation=False)
        role = {"RoleArn": ROLE, "RoleSessionName": "session"}
        self.same("invalid-transitive-tag-keys", self.error(sts.assume_role, **role, Tags=[{"Key": "a", "Value": "1"}], TransitiveTagKeys=["b"]))
        self.same("duplicate-tag-keys-different-casing", self.error(sts.assume_role, **role, Tags=[{"Key": "name", "Value": "1"}, {"Key": "Name", "Value": "2"}]))


if __name__ == "__main__":
    unittest.main()
