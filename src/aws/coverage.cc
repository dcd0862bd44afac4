#include "aws/coverage.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace savia::aws {

std::string coverage_markdown(const std::vector<ServiceModel>& models, const std::vector<BoundOperation>& bound) {
  std::set<BoundOperation> built(bound.begin(), bound.end());
  std::string summary, tables;
  size_t all_built = 0, all = 0;
  for (const ServiceModel& service : models) {
    std::string rows;
    size_t count = 0;
    for (OperationModel op : service.operations()) {
      bool has = built.count({std::string(service.name()), std::string(op.name())}) != 0;
      count += has;
      rows += fmt::format("| {} | {} |\n", op.name(), has ? "built" : "501");
    }
    uint32_t total = service.operations().size();
    all_built += count;
    all += total;
    summary += fmt::format("| {} | {} | {} | {} |\n", service.name(), protocol_name(service.protocol()), count, total);
    if (count != 0) tables += fmt::format("\n## {}\n\n| operation | |\n| --- | --- |\n{}", service.name(), rows);
  }
  std::string out = "# Coverage\n\n";
  out +=
      "Printed by `savia coverage` from the tables of AWS's service models and the operations that are bound; not written by\n"
      "hand. An operation that is not built answers 501 `NotImplemented` in its protocol's form and names itself. Services of "
      "which\n"
      "nothing is built yet are counted only.\n\n";
  out += "| service | protocol | built | of AWS's operations |\n| --- | --- | --- | --- |\n";
  out += summary;
  out += fmt::format("| all | | {} | {} |\n", all_built, all);
  return out + tables;
}

}  // namespace savia::aws
