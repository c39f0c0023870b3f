#pragma once

#include "cli/exit.hpp"

namespace pretrain::cli {

/// The whole program: parses the command line, runs the subcommand, prints errors once.
/// The answer goes to standard output, everything else to standard error.
Exit run(int argc, const char* const* argv);

}  // namespace pretrain::cli
