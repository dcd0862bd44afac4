#include <limits>

#include "base/limits.h"
#include "base/strings.h"
#include "codec/base64.h"
#include "services/lambda/control.h"

namespace savia::lambda {
namespace {

bool lists(const Value& config, std::string_view member, std::optional<std::string_view> wanted) {
  if (!wanted) return true;
  const Value::List* list = config.list_at(member);
  if (list == nullptr) return false;
  for (const Value& v : *list) {
    if (v.is_string() && v.as_string() == *wanted) return true;
  }
  return false;
}
bool fits(const Value& config, const Value& in) {
  return lists(config, k::CompatibleRuntimes, in.str(k::CompatibleRuntime)) &&
         lists(config, k::CompatibleArchitectures, in.str(k::CompatibleArchitecture));
}

std::string list_text(const Value& list) {
  std::string out = "[";
  for (const Value& v : list.as_list()) out += (out.size() > 1 ? ", " : "") + (v.is_string() ? v.as_string() : "");
  return out + "]";
}

}  // namespace

Outcome Control::show_layer_version(const CallContext& c, const LayerVersionRow& row) {
  LayerRef layer{row.account, row.region, row.name, row.version};
  Value content = Value::object(), out = Value::object();
  content.set(k::Location, TRY(download_url(c, row.digest)))
      .set(k::CodeSha256, base64_encode(from_hex(row.digest).value_or("")))
      .set(k::CodeSize, row.size);
  out.set(k::Content, std::move(content)).set(k::LayerArn, layer.arn());
  for (const Value::Member& m : row.config.as_object()) out.set(m.first, m.second);
  return out;
}

Outcome Control::publish_layer_version(const CallContext& c, const Value& in) {
  auto layer = parse_layer_ref(c, in.str_or(k::LayerName, ""));
  constexpr size_t kMostName = 140;
  if (!layer || layer->version != 0 || layer->name.size() > kMostName) {
    return invalid_parameter("'" + in.str_or(k::LayerName, "") + "' is no layer's name");
  }
  if (layer->account != c.account || layer->region != c.region) {
    return user_fault("AccessDeniedException", "Layers of another account or region cannot be published to: " + layer->arn(),
                      403);
  }
  constexpr size_t kMostArchitectures = 2;
  if (const Value::List* a = in.list_at(k::CompatibleArchitectures); a != nullptr && a->size() > kMostArchitectures) {
    return user_fault(
        "ValidationException",
        "1 validation error detected: Value '" + list_text(*in.find(k::CompatibleArchitectures)) +
            "' at 'compatibleArchitectures' failed to satisfy constraint: Member must have length less than or equal to 2");
  }
  const Value* content = in.object_at(k::Content);
  for (std::string_view member : {k::S3Bucket, k::S3Key, k::S3ObjectVersion, k::S3ObjectStorageMode}) {
    if (content != nullptr && content->has(member)) return unsupported(member);
  }
  const Value* zip_file = content == nullptr ? nullptr : content->find(k::ZipFile);
  if (zip_file == nullptr || !zip_file->is_blob()) return invalid_parameter("Please provide a source for layer content.");
  CodeStore::Zip zip = TRY(take_zip(zip_file->as_blob()));

  LayerVersionRow row{layer->account, layer->region, layer->name, 0, Value::object(), zip.digest, zip.size, zip.unpacked};
  Outcome out = write([&](Tx& tx) -> Outcome {
    layer->version = row.version = TRY(store::next_layer_version(tx, *layer));
    row.config.set(k::LayerVersionArn, layer->version_arn())
        .set(k::Version, row.version)
        .set(k::Description, in.str_or(k::Description, ""))
        .set(k::CreatedDate, format_lambda_time(clock_.now_ms()));
    if (const Value* v = in.find(k::CompatibleArchitectures); v != nullptr && !v->is_null())
      row.config.set(k::CompatibleArchitectures, *v);
    row.config.set(k::CompatibleRuntimes,
                   in.list_at(k::CompatibleRuntimes) != nullptr ? *in.find(k::CompatibleRuntimes) : Value::list());
    if (auto license = in.str(k::LicenseInfo)) row.config.set(k::LicenseInfo, *license);
    TRY(store::insert_layer_version(tx, row));
    return Value();
  });
  if (!out.ok()) return out;
  events_.wake();
  return show_layer_version(c, row);
}

Outcome Control::list_layers(const CallContext& c, const Value& in) {
  Page page = TRY(page_of(in, 50));
  return read([&](Tx& tx) -> Outcome {
    Value::List items;
    std::vector<std::string> keys;
    for (const std::string& name : TRY(store::layer_names(tx, c.account, c.region, page.after, limits::kVersionsPerFunction))) {
      LayerRef layer{c.account, c.region, name, 0};
      for (const LayerVersionRow& row :
           TRY(store::layer_versions(tx, layer, std::numeric_limits<int64_t>::max(), limits::kVersionsPerFunction))) {
        if (!fits(row.config, in)) continue;
        Value v = Value::object();
        v.set(k::LayerName, name).set(k::LayerArn, layer.arn()).set(k::LatestMatchingVersion, row.config);
        items.push_back(std::move(v));
        keys.push_back(name);
        break;  // the newest that fits
      }
      if (static_cast<int64_t>(items.size()) > page.limit) break;
    }
    Value out = Value::object();
    end_page(out, items, keys, page);
    out.set(k::Layers, std::move(items));
    return out;
  });
}

Outcome Control::list_layer_versions(const CallContext& c, const Value& in) {
  auto layer = parse_layer_ref(c, in.str_or(k::LayerName, ""));
  if (!layer) return invalid_parameter("'" + in.str_or(k::LayerName, "") + "' is no layer's name");
  Page page = TRY(page_of(in, 50));
  return read([&](Tx& tx) -> Outcome {
    int64_t before = page.after.empty() ? std::numeric_limits<int64_t>::max() : std::strtoll(page.after.c_str(), nullptr, 10);
    Value::List items;
    std::vector<std::string> keys;
    if (layer->account == c.account && layer->region == c.region) {
      for (const LayerVersionRow& row : TRY(store::layer_versions(tx, *layer, before, limits::kVersionsPerFunction))) {
        if (!fits(row.config, in)) continue;
        items.push_back(row.config);
        keys.push_back(std::to_string(row.version));
        if (static_cast<int64_t>(items.size()) > page.limit) break;
      }
    }
    Value out = Value::object();
    end_page(out, items, keys, page);
    out.set(k::LayerVersions, std::move(items));
    return out;
  });
}

Outcome Control::find_layer_version(const CallContext& c, const LayerRef& layer) {
  if (layer.version < 1) return invalid_parameter("Layer Version Cannot be less than 1");
  LayerVersionRow row;
  TRY(read([&](Tx& tx) -> Outcome {
    auto found = layer.region == c.region ? TRY(store::layer_version(tx, layer)) : std::nullopt;
    // Where it belongs to somebody else, whether it exists is not told.
    if (!TRY(may_use_layer(tx, c, layer))) return layer_denied(c, layer);
    if (!found) return not_found("The resource you requested does not exist.");
    row = std::move(*found);
    return Value();
  }));
  return show_layer_version(c, row);
}

Outcome Control::get_layer_version(const CallContext& c, const Value& in) {
  auto layer = parse_layer_ref(c, in.str_or(k::LayerName, ""));
  if (!layer) return not_found("The resource you requested does not exist.");
  layer->version = in.num_or(k::VersionNumber, 0);
  return find_layer_version(c, *layer);
}

Outcome Control::get_layer_version_by_arn(const CallContext& c, const Value& in) {
  auto layer = parse_layer_ref(c, in.str_or(k::Arn, ""));
  if (!layer) return not_found("The resource you requested does not exist.");
  return find_layer_version(c, *layer);
}

// The row goes; the bytes stay as long as a function's version uses them.
Outcome Control::delete_layer_version(const CallContext& c, const Value& in) {
  auto layer = parse_layer_ref(c, in.str_or(k::LayerName, ""));
  if (!layer) return invalid_parameter("'" + in.str_or(k::LayerName, "") + "' is no layer's name");
  layer->version = in.num_or(k::VersionNumber, 0);
  if (layer->version < 1) return invalid_parameter("Layer Version Cannot be less than 1");
  if (layer->account != c.account) return not_found("The resource you requested does not exist.");
  Outcome out = write(
      [&](Tx& tx) -> Outcome {
        TRY(store::delete_layer_version(tx, *layer));
        return Value::object();
      },
      state::WriteKind::kFree);
  events_.wake();
  return out;
}

}  // namespace savia::lambda
