#include <cstddef>
#include <cstdint>
#include <string>

#include "tests/fuzz/check_table.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(data, data + size);
  pretrain::planner::check_table(bytes, "f.yaml");
  return 0;
}
