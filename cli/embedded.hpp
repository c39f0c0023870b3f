#pragma once

#include "models/core/embedded.hpp"

namespace pretrain::cli {

/// Style and script of reports, and the library of their charts (empty where it could not be had).
std::span<const EmbeddedFile> embedded_files();

}  // namespace pretrain::cli
