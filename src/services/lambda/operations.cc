#include "services/lambda/control.h"
#include "services/lambda/lambda.h"

namespace savia::lambda {

std::vector<aws::Operation> Lambda::operations() {
  Control* control = control_.get();
  using Method = Outcome (Control::*)(const CallContext&, const Value&);
  auto plain = [control](std::string_view name, Method method) {
    return aws::Operation{
        name, [control, method](const CallContext& c, const Value& in) { return (control->*method)(c, in); }, {}};
  };
  return {
      plain("CreateFunction", &Control::create_function),
      plain("GetFunction", &Control::get_function),
      plain("GetFunctionConfiguration", &Control::get_function_configuration),
      plain("UpdateFunctionCode", &Control::update_function_code),
      plain("UpdateFunctionConfiguration", &Control::update_function_configuration),
      plain("DeleteFunction", &Control::delete_function),
      plain("ListFunctions", &Control::list_functions),
      plain("PublishVersion", &Control::publish_version),
      plain("ListVersionsByFunction", &Control::list_versions_by_function),
      plain("CreateAlias", &Control::create_alias),
      plain("GetAlias", &Control::get_alias),
      plain("UpdateAlias", &Control::update_alias),
      plain("DeleteAlias", &Control::delete_alias),
      plain("ListAliases", &Control::list_aliases),
      plain("AddPermission", &Control::add_permission),
      plain("RemovePermission", &Control::remove_permission),
      plain("GetPolicy", &Control::get_policy),
      plain("TagResource", &Control::tag_resource),
      plain("UntagResource", &Control::untag_resource),
      plain("ListTags", &Control::list_tags),
      plain("PublishLayerVersion", &Control::publish_layer_version),
      plain("ListLayers", &Control::list_layers),
      plain("ListLayerVersions", &Control::list_layer_versions),
      plain("GetLayerVersion", &Control::get_layer_version),
      plain("GetLayerVersionByArn", &Control::get_layer_version_by_arn),
      plain("DeleteLayerVersion", &Control::delete_layer_version),
      plain("AddLayerVersionPermission", &Control::add_layer_version_permission),
      plain("RemoveLayerVersionPermission", &Control::remove_layer_version_permission),
      plain("GetLayerVersionPolicy", &Control::get_layer_version_policy),
      plain("GetAccountSettings", &Control::get_account_settings),
      plain("PutFunctionConcurrency", &Control::put_function_concurrency),
      plain("GetFunctionConcurrency", &Control::get_function_concurrency),
      plain("DeleteFunctionConcurrency", &Control::delete_function_concurrency),
      {"Invoke",
       {},
       [control](const CallContext& c, Value in, std::unique_ptr<aws::Responder> responder) {
         control->invoke(c, std::move(in), std::move(responder));
       }},
  };
}

}  // namespace savia::lambda
