"""Stacks of CloudFormation as moto makes them. It passes over what it does not know: such resources are taken out before, and their names
put in where others refer to them."""
import json

import boto3
from moto.cloudformation import parsing

REGION = "eu-central-1"
GIVEN = {"<CODE_BUCKET>": "code", "<CODE_KEY>": "code.zip", "<IMAGE_REPOSITORY>": "millrace",
         "<IMAGE_URI>": f"123456789012.dkr.ecr.{REGION}.amazonaws.com/millrace:1"}


def client(service):
    return boto3.client(service, region_name=REGION, aws_access_key_id="any", aws_secret_access_key="any")


def known_types():
    return set(parsing.get_model_map())


def refers_to(value, ids):
    """The id of `ids` that an intrinsic function is about, or None."""
    if not isinstance(value, dict) or len(value) != 1:
        return None
    if "Ref" in value and value["Ref"] in ids:
        return value["Ref"]
    attribute = value.get("Fn::GetAtt")
    return attribute[0] if isinstance(attribute, list) and attribute[0] in ids else None


def without(value, ids):
    """`value` with texts in the place of what refers to `ids`; a consumer of a stream stands for its stream."""
    if found := refers_to(value, ids):
        return ids[found].get("StreamARN", f"unknown-{found}")
    if isinstance(value, dict):
        return {key: without(one, ids) for key, one in value.items()}
    if isinstance(value, list):
        return [without(one, ids) for one in value]
    if isinstance(value, str):
        for one in ids:
            value = value.replace("${" + one + "}", f"unknown-{one}").replace("${" + one + ".", "unknown-${AWS::Region}-{")
    return value


def as_moto_knows_it(template):
    unknown = {name: resource["Properties"] for name, resource in template["Resources"].items() if resource["Type"] not in known_types()}
    kept = {name: resource for name, resource in template["Resources"].items() if name not in unknown}
    return without({**template, "Resources": kept}, unknown), unknown


def values(parameters):
    """The parameters that were written, filled in as the steps say."""
    network = client("ec2")
    filled = []
    for one in parameters:
        value = GIVEN.get(one["ParameterValue"], one["ParameterValue"])
        if one["ParameterKey"] == "VpcId":
            value = network.describe_vpcs()["Vpcs"][0]["VpcId"]
        elif one["ParameterKey"] == "SubnetIds":
            value = network.describe_subnets()["Subnets"][0]["SubnetId"]
        filled.append({"ParameterKey": one["ParameterKey"], "ParameterValue": value})
    return filled


class Stack:
    """Made of what `folder` has; `outputs` by name, `made` the resources by their id."""

    def __init__(self, folder, name):
        template, self.unknown = as_moto_knows_it(json.loads((folder / "template.json").read_text()))
        self.template, self.name, self.folder = template, name, folder
        parameters = values(json.loads((folder / "parameters.json").read_text()))
        self.cloudformation = client("cloudformation")
        self.cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template), Parameters=parameters,
                                         Capabilities=["CAPABILITY_NAMED_IAM"])
        stack = self.cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        self.status = stack["StackStatus"]
        self.outputs = {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}
        self.made = {one["LogicalResourceId"]: one["PhysicalResourceId"]
                     for one in self.cloudformation.describe_stack_resources(StackName=name)["StackResources"]}

    def delete(self):
        self.cloudformation.delete_stack(StackName=self.name)
        return [one["StackStatus"] for one in self.cloudformation.list_stacks()["StackSummaries"] if one["StackName"] == self.name]
