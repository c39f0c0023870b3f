#pragma once

#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "hardware/device.hpp"
#include "models/core/known.hpp"
#include "models/core/table.hpp"
#include "models/core/units.hpp"
#include "models/power.hpp"
#include "models/uncertainty.hpp"

namespace pretrain::hardware {

/// How devices of a kind draw power, from loads.csv.
struct LoadFamily {
  double idle_share = 0;  ///< of the limit, where the data sheet does not say
  double most_share = 1;  ///< of the limit, that the heaviest work draws
  models::LoadLevels levels;
  double pace = 0;  ///< share of the ceiling that training reaches, where nothing is known
  models::Spread known_spread;  ///< of the draw, where the step is known
  models::Spread usual_spread;  ///< where it is not
  const Origin* origin = nullptr;
};

/// Draw by kind of work: of a generation, else of the kind of device, else of any.
class LoadTable {
 public:
  static LoadTable read(std::string_view text, std::string file);
  const LoadFamily& find(const Device* device) const;

 private:
  std::vector<Table> tables_;
  std::vector<std::string> places_;
  std::vector<Origin> origins_;
  std::map<std::pair<std::string_view, std::string_view>, LoadFamily> families_;
};

/// A server without its accelerators, one row of hosts.csv.
struct Host {
  std::string_view id;
  double cpus = 0;
  Power cpu_limit;
  double dram_gb = 0;
  Power other;  ///< network cards, switches of the board, storage, board
  double storage_tb = 0;
  models::HostDraw draw;
  models::Spread spread;  ///< of what it adds to the draw of a device
  Origin origin;
};

/// Servers by the devices that they hold.
class HostTable {
 public:
  static HostTable read(std::string_view text, std::string file);
  /// The server that the device comes in, else the usual one for a device of its kind. Null when
  /// there is none.
  const Host* find(const Device* device) const;
  const std::vector<Host>& all() const { return hosts_; }

 private:
  std::vector<Table> tables_;
  std::vector<std::string> places_;
  std::vector<Host> hosts_;
  std::unordered_map<std::string_view, std::size_t> by_device_;
};

}  // namespace pretrain::hardware
