#include "validation/energy_audit.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "models/core/table.hpp"
#include "validation/embedded.hpp"

namespace pretrain::validation {

namespace {

using planner::Key;

constexpr std::array kTime{Key::device_hours, Key::training_days};
constexpr std::array kEnergy{Key::device_energy_mwh, Key::node_energy_mwh,
                             Key::facility_energy_mwh};
constexpr std::array kDraw{Key::device_power_w, Key::device_energy_mwh, Key::node_energy_mwh,
                           Key::facility_energy_mwh};

/// The first of the quantities that the run has.
const Measured* first_of(const Case& c, std::span<const Key> keys) {
  for (const auto key : keys) {
    for (const auto& m : c.measured) {
      if (m.key == key) return &m;
    }
  }
  return nullptr;
}

std::optional<AuditedPart> part_of(const Measured* m) {
  if (m == nullptr) return std::nullopt;
  AuditedPart part{m->key, m->predicted, m->reported, {}};
  if (m->low && m->high) part.held = m->reported >= *m->low && m->reported <= *m->high;
  return part;
}

/// Decoders that were trained from nothing, by sources that leave no doubt.
bool is_pretraining(const Case& c) {
  return (c.type == "dense" || c.type == "moe") && c.phase == "pretrain" && c.quality != "caution";
}

/// By a meter, or by a sensor of the device: not a total of unknown method.
bool is_measured(const Case& c) {
  return c.energy_basis == "metered" || c.energy_basis == "measured_device" ||
         c.energy_basis.empty();
}

}  // namespace

std::string_view name_of(EnergyPart part) {
  switch (part) {
    case EnergyPart::time:
      return "time";
    case EnergyPart::power:
      return "power, true hours given";
    case EnergyPart::total:
      return "total";
    case EnergyPart::all:
      return "all of these";
  }
  return "total";
}

EnergyAudit audit_energy(const std::vector<Case>& blind, const std::vector<Case>& given,
                         const std::map<std::string, std::string, std::less<>>& remarks,
                         double level) {
  struct Row {
    const Case* run = nullptr;
    std::array<const Measured*, 3> parts{};
  };
  std::map<std::string_view, Row> rows;
  std::vector<std::string_view> order;
  const auto row_of = [&](const Case& c) -> Row& {
    const auto [found, added] = rows.try_emplace(c.id);
    if (added) {
      order.push_back(c.id);
      found->second.run = &c;
    }
    return found->second;
  };
  const auto take = [](Row& row, EnergyPart part, const Measured* m) {
    auto& slot = row.parts[static_cast<std::size_t>(part)];
    if (slot == nullptr) slot = m;
  };
  for (const auto& c : blind) {
    const auto* time = first_of(c, kTime);
    const auto* total = first_of(c, kEnergy);
    const std::array only{Key::device_power_w};
    const auto* draw = first_of(c, only);
    if (time == nullptr && total == nullptr && draw == nullptr) continue;
    auto& row = row_of(c);
    take(row, EnergyPart::time, time);
    take(row, EnergyPart::total, total);
  }
  for (const auto& c : given) {
    if (const auto* m = first_of(c, kDraw)) take(row_of(c), EnergyPart::power, m);
  }
  // Where the hours are not known, the draw may be.
  for (const auto& c : blind) {
    const std::array only{Key::device_power_w};
    if (const auto* m = first_of(c, only)) take(row_of(c), EnergyPart::power, m);
  }

  EnergyAudit audit;
  for (const auto id : order) {
    const auto& row = rows.at(id);
    AuditedRun run{row.run->id, row.run->device, row.run->quality, {}, {}, {}, {}};
    run.time = part_of(row.parts[0]);
    run.power = part_of(row.parts[1]);
    run.total = part_of(row.parts[2]);
    if (const auto found = remarks.find(id); found != remarks.end()) run.remark = found->second;
    audit.runs.push_back(std::move(run));
  }
  const auto add = [&](std::vector<Scored>& scored, EnergyPart part, auto wanted) {
    for (const auto id : order) {
      const auto& row = rows.at(id);
      const auto* m = row.parts[static_cast<std::size_t>(part)];
      if (m != nullptr && wanted(*row.run, *m)) {
        scored.push_back({m->predicted, m->reported, m->low, m->high, 1});
      }
    }
  };
  const auto close = [&](EnergyPart part, std::string what, const std::vector<Scored>& scored) {
    if (!scored.empty()) audit.scores.push_back({part, std::move(what), summarize(scored, level)});
  };
  const auto score = [&](EnergyPart part, std::string what, auto wanted) {
    std::vector<Scored> scored;
    add(scored, part, wanted);
    close(part, std::move(what), scored);
  };
  const auto any = [](const Case&, const Measured&) { return true; };
  const auto measured = [](const Case& c, const Measured&) { return is_measured(c); };
  const auto pretraining = [](const Case& c, const Measured&) { return is_pretraining(c); };
  const auto of = [](Key key) {
    return [key](const Case& c, const Measured& m) { return m.key == key && is_measured(c); };
  };
  score(EnergyPart::time, "all", any);
  score(EnergyPart::time, "pretraining of decoders", pretraining);
  score(EnergyPart::power, "all", any);
  score(EnergyPart::power, "metered or measured", measured);
  score(EnergyPart::power, "of them: draw of the device", of(Key::device_power_w));
  score(EnergyPart::power, "of them: energy of devices", of(Key::device_energy_mwh));
  score(EnergyPart::power, "of them: energy of nodes", of(Key::node_energy_mwh));
  score(EnergyPart::power, "of them: energy of facilities", of(Key::facility_energy_mwh));
  score(EnergyPart::total, "all", any);
  score(EnergyPart::total, "metered or measured, architecture known",
        [](const Case& c, const Measured&) { return is_measured(c) && c.architecture; });
  std::vector<Scored> pooled;
  add(pooled, EnergyPart::time, any);
  add(pooled, EnergyPart::power, measured);
  add(pooled, EnergyPart::total, measured);
  close(EnergyPart::all, "metered or measured", pooled);
  return audit;
}

std::map<std::string, std::string, std::less<>> shipped_remarks() {
  std::map<std::string, std::string, std::less<>> remarks;
  for (const auto& file : embedded_files()) {
    if (file.name != "remarks.csv") continue;
    const auto table = Table::read(file.text(), "remarks.csv", {"id", "remark"});
    for (std::size_t row = 0; row < table.size(); ++row) {
      remarks.emplace(table.required_text(row, "id"), table.required_text(row, "remark"));
    }
  }
  return remarks;
}

}  // namespace pretrain::validation
