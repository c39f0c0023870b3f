#pragma once

#include <optional>
#include <string>

#include "cli/measured_run.hpp"

namespace pretrain::cli {

/// Where a run was measured, as far as it is said.
struct MeasuredSite {
  std::optional<double> kg_per_kwh;
  std::string region;
  std::string country;  ///< of the region
  std::optional<double> pue;

  /// Looks the region up. Throws InputError for an unknown one.
  void find();
};

/// Files of other tools to write; empty: none.
struct MeasuredFiles {
  std::string codecarbon;
  std::string card;
  std::string boamps;
  std::string prometheus;
};

/// Energy by kind of source, its carbon, and what to know of it; for people.
std::string measured_text(const MeasuredRun& run, const MeasuredSite& site);

/// Carbon of what was measured, times the PUE where it is said, in kg; absent where the intensity
/// or the energy is not known.
std::optional<double> measured_kg(const MeasuredRun& run, const MeasuredSite& site);

/// The files, each whole or not at all; a row is appended to the one of CodeCarbon.
void write_files(const MeasuredFiles& files, const MeasuredRun& run, const MeasuredSite& site);

/// The columns of CodeCarbon's emissions.csv and a row of it (kg, kWh, W, s; energies with the
/// PUE). What is not known is blank.
std::string codecarbon_header();
std::string codecarbon_row(const MeasuredRun& run, const MeasuredSite& site);

/// The block of a Hugging Face model card; the emissions are in grams.
std::string card_block(const MeasuredRun& run, const MeasuredSite& site);

/// A report for BoAmps (Boavizta), in JSON; energies in kWh.
std::string boamps_report(const MeasuredRun& run, const MeasuredSite& site);

/// Metrics as Prometheus' node exporter reads them from a file.
std::string prometheus_text(const MeasuredRun& run);

}  // namespace pretrain::cli
