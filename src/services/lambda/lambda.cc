#include "services/lambda/lambda.h"

#include "services/lambda/control.h"

namespace savia::lambda {

Lambda::Lambda(std::unique_ptr<Control> control) : control_(std::move(control)) {}
Lambda::~Lambda() {
  stop();
}

Result<std::unique_ptr<Lambda>> Lambda::create(state::Database& db, state::Blobs& blobs, FunctionEngine& engine,
                                               LambdaOptions options) {
  auto code = TRY_CONTEXT(CodeStore::open(options.data_dir, blobs), "lambda code");
  auto control = std::make_unique<Control>(db, engine, std::move(code), std::move(options));
  TRY_CONTEXT(control->sweep(), "lambda code");
  return std::unique_ptr<Lambda>(new Lambda(std::move(control)));
}

std::vector<state::Migration> Lambda::migrations() {
  return store_migrations();
}

Result<void> Lambda::start() {
  return control_->start();
}
void Lambda::stop() {
  control_->stop();
}
Result<void> Lambda::reset() {
  return control_->reset();
}

Result<std::string> Lambda::download_file(std::string_view path) const {
  std::string_view digest = path;
  if (digest.starts_with(kDownloadPrefix)) digest.remove_prefix(kDownloadPrefix.size());
  while (digest.starts_with('/')) digest.remove_prefix(1);
  return control_->code().zip_file(digest);
}

Result<std::vector<std::string>> Lambda::used_blobs() {
  store::Digests used;
  TRY(control_->db().read([&](state::Tx& tx) -> Result<void> {
    used = TRY(store::digests(tx));
    return {};
  }));
  return std::vector<std::string>(used.zips.begin(), used.zips.end());
}

}  // namespace savia::lambda
