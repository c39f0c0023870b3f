#pragma once

#include "models/core/embedded.hpp"

namespace pretrain::hardware {

/// The tables of hardware/data.
std::span<const EmbeddedFile> embedded_files();

}  // namespace pretrain::hardware
