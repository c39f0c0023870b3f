#include "hardware/hourly.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "models/core/csv.hpp"
#include "models/core/input_error.hpp"
#include "models/core/number.hpp"
#include "models/core/text.hpp"

namespace pretrain::hardware {

namespace {

constexpr auto kGramPerKilowattHour = gram / kilowatt_hour;
constexpr double kMostIntensity = 3000;  // g/kWh
constexpr double kLeastCovered = 0.9;

/// Digits from the front of a text; the text is what follows.
std::optional<int> digits(std::string_view& text, std::size_t count) {
  if (text.size() < count) return std::nullopt;
  int value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = 10 * value + (text[i] - '0');
  }
  text.remove_prefix(count);
  return value;
}

bool skip(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

bool holds_times(std::string_view header) {
  const auto word = lowered(header);
  return word.find("time") != std::string::npos || word.find("date") != std::string::npos ||
         word.find("from") != std::string::npos;
}

bool holds_intensities(std::string_view header) {
  const auto word = lowered(header);
  for (const std::string_view part : {"intensity", "kwh", "gco2", "carbon", "value", "actual"}) {
    if (word.find(part) != std::string::npos) {
      return word.find("percentage") == std::string::npos && word.find('%') == std::string::npos;
    }
  }
  return false;
}

}  // namespace

std::optional<TimePoint> parse_time(std::string_view text) {
  text = trimmed(text);
  const auto year = digits(text, 4);
  if (!year || !skip(text, "-/")) return std::nullopt;
  const auto month = digits(text, 2);
  if (!month || !skip(text, "-/")) return std::nullopt;
  const auto day = digits(text, 2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{*year},
                                         std::chrono::month{static_cast<unsigned>(*month)},
                                         std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok()) return std::nullopt;
  TimePoint time = std::chrono::sys_days{date};
  if (text.empty()) return time;
  if (!skip(text, "T ")) return std::nullopt;
  const auto hours = digits(text, 2);
  if (!hours || *hours > 23 || !skip(text, ":")) return std::nullopt;
  const auto minutes = digits(text, 2);
  if (!minutes || *minutes > 59) return std::nullopt;
  time += std::chrono::hours{*hours} + std::chrono::minutes{*minutes};
  if (skip(text, ":")) {
    const auto seconds = digits(text, 2);
    if (!seconds || *seconds > 59) return std::nullopt;
    time += std::chrono::seconds{*seconds};
    if (skip(text, ".")) {
      while (digits(text, 1)) {
      }
    }
  }
  text = trimmed(text);
  if (text.empty() || equal_ignoring_case(text, "z") || equal_ignoring_case(text, "utc")) {
    return time;
  }
  const bool east = text.front() == '+';
  if (!skip(text, "+-")) return std::nullopt;
  const auto offset_hours = digits(text, 2);
  if (!offset_hours) return std::nullopt;
  skip(text, ":");
  const auto offset_minutes = text.empty() ? std::optional{0} : digits(text, 2);
  if (!offset_minutes || !text.empty()) return std::nullopt;
  const auto offset = std::chrono::hours{*offset_hours} + std::chrono::minutes{*offset_minutes};
  return east ? time - offset : time + offset;
}

std::string to_text(TimePoint time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02} UTC", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count());
}

IntensitySeries IntensitySeries::read(std::string_view text, std::string file,
                                      std::string_view column) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  std::vector<char> buffer{text.begin(), text.end()};
  const auto head = text.substr(0, text.find('\n'));
  const char separator =
      std::count(head.begin(), head.end(), ';') > std::count(head.begin(), head.end(), ',') ? ';'
                                                                                            : ',';
  CsvCursor cursor{buffer.data(), buffer.data() + buffer.size(), separator, 1, file};
  CsvRecord record;
  if (!cursor.next(record)) {
    throw InputError({file, 0, 0}, "the file is empty", "a header, then a time and g/kWh a line");
  }
  std::optional<std::size_t> time_at;
  std::vector<std::size_t> candidates;
  std::vector<std::string> headers;
  for (std::size_t i = 0; i < record.cells.size(); ++i) {
    headers.emplace_back(record.cells[i].text);
    if (!time_at && holds_times(headers.back())) {
      time_at = i;
    } else if (holds_intensities(headers.back())) {
      candidates.push_back(i);
    }
  }
  const auto names = [&](const std::vector<std::size_t>& which) {
    std::string all;
    for (const auto i : which) all += (all.empty() ? "'" : ", '") + headers[i] + "'";
    return all;
  };
  const Location top{file, record.line, 1};
  if (!time_at) {
    throw InputError(top, "no column of times", "name it time, datetime or timestamp");
  }
  std::size_t value_at = 0;
  if (!column.empty()) {
    const auto found = std::find_if(headers.begin(), headers.end(), [&](const std::string& name) {
      return equal_ignoring_case(name, column);
    });
    if (found == headers.end()) {
      throw InputError(top, fmt::format("no column '{}'", shortened(column)),
                       fmt::format("the file has {}", names(candidates)));
    }
    value_at = static_cast<std::size_t>(found - headers.begin());
  } else if (candidates.size() == 1) {
    value_at = candidates.front();
  } else {
    throw InputError(top,
                     candidates.empty()
                         ? "no column of intensities"
                         : fmt::format("{} columns of intensities", candidates.size()),
                     candidates.empty()
                         ? "name it intensity_g_per_kwh, or name one of its columns: --hourly "
                           "FILE:COLUMN"
                         : fmt::format("name one: --hourly FILE:COLUMN, of {}", names(candidates)));
  }
  if (lowered(headers[value_at]).find("lb") != std::string::npos) {
    throw InputError(top, fmt::format("'{}' is in pounds", headers[value_at]),
                     "g/kWh is lb/MWh x 0.4536, or lb/kWh x 453.6");
  }

  IntensitySeries series;
  std::vector<std::optional<double>> values;
  while (cursor.next(record)) {
    const auto cell = [&](std::size_t i) {
      return i < record.cells.size() ? record.cells[i].text : std::string_view{};
    };
    const auto place = [&](std::size_t i) {
      return i < record.cells.size() ? record.locate(file, record.cells[i].offset)
                                     : Location{file, record.line, 0};
    };
    const auto time = parse_time(cell(*time_at));
    if (!time) {
      throw InputError(place(*time_at),
                       fmt::format("'{}' is not a time", shortened(cell(*time_at))),
                       "write 2026-03-01T06:00Z");
    }
    if (!series.times_.empty() && *time <= series.times_.back()) {
      throw InputError(
          place(*time_at),
          fmt::format("{} does not follow {}", to_text(*time), to_text(series.times_.back())),
          "sort the lines by time, in UTC: local times repeat an hour in autumn");
    }
    std::optional<double> value;
    if (!cell(value_at).empty()) {
      const auto number = parse_number(cell(value_at), "g/kWh");
      if (!number.ok()) throw InputError(place(value_at), number.what, number.help);
      if (number.value < 0 || number.value > kMostIntensity) {
        throw InputError(place(value_at), fmt::format("{:g} g/kWh is no intensity", number.value),
                         fmt::format("0 to {:g} g per kWh: lb/MWh x 0.4536 is g/kWh, kg/kWh x 1000 "
                                     "too",
                                     kMostIntensity));
      }
      value = number.value;
    }
    series.times_.push_back(*time);
    values.push_back(value);
  }
  if (series.times_.size() < 2) {
    throw InputError({file, 0, 0}, "fewer than two lines",
                     "a header, then a time and g/kWh a line");
  }
  // A line holds until the next one, but no longer than is usual: the rest is a gap.
  std::vector<std::int64_t> steps;
  for (std::size_t i = 1; i < series.times_.size(); ++i) {
    steps.push_back((series.times_[i] - series.times_[i - 1]).count());
  }
  std::nth_element(steps.begin(), steps.begin() + static_cast<std::ptrdiff_t>(steps.size() / 2),
                   steps.end());
  const std::int64_t usual = steps[steps.size() / 2];
  series.end_ = series.times_.back() + std::chrono::seconds{usual};
  double weighted = 0;
  double covered = 0;
  series.weighted_.push_back(0);
  series.covered_.push_back(0);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto next = i + 1 < values.size() ? series.times_[i + 1] : series.end_;
    const auto length = static_cast<double>(std::min((next - series.times_[i]).count(), usual));
    if (values[i]) {
      weighted += *values[i] * length;
      covered += length;
    }
    series.weighted_.push_back(weighted);
    series.covered_.push_back(covered);
  }
  if (covered <= 0) {
    throw InputError({file, 0, 0}, fmt::format("column '{}' has no values", headers[value_at]),
                     "name another: --hourly FILE:COLUMN");
  }
  series.column_ = headers[value_at];
  series.place_ = fmt::format("{} {}", file, series.column_);
  return series;
}

double IntensitySeries::sum_until(double seconds, const std::vector<double>& sums) const {
  const auto since = [&](TimePoint t) { return static_cast<double>((t - begin()).count()); };
  const auto after = std::upper_bound(times_.begin(), times_.end(), seconds,
                                      [&](double s, TimePoint t) { return s < since(t); });
  const auto i = static_cast<std::size_t>(after - times_.begin());
  if (i == 0) return 0;
  const double from = since(times_[i - 1]);
  const double to = since(i < times_.size() ? times_[i] : end_);
  return sums[i - 1] + (sums[i] - sums[i - 1]) * std::min(1.0, (seconds - from) / (to - from));
}

std::optional<CarbonIntensity> IntensitySeries::mean(TimePoint from, Time duration) const {
  const auto start = static_cast<double>((from - begin()).count());
  const double stop = start + duration.in(second);
  if (start < 0 || stop > static_cast<double>((end_ - begin()).count())) return std::nullopt;
  const double covered = sum_until(stop, covered_) - sum_until(start, covered_);
  if (covered < kLeastCovered * (stop - start) || covered <= 0) return std::nullopt;
  return (sum_until(stop, weighted_) - sum_until(start, weighted_)) / covered *
         kGramPerKilowattHour;
}

std::optional<StartChoice> IntensitySeries::choose_start(TimePoint from, TimePoint to,
                                                         Time duration) const {
  std::optional<StartChoice> choice;
  CarbonIntensity sum;
  for (const auto start : times_) {
    if (start < from || start > to) continue;
    const auto here = mean(start, duration);
    if (!here) continue;
    if (!choice) {
      choice.emplace();
      choice->first = choice->best = start;
      choice->least = choice->most = *here;
    }
    ++choice->starts;
    choice->last = start;
    sum = sum + *here;
    choice->most = std::max(choice->most, *here);
    if (*here < choice->least) {
      choice->least = *here;
      choice->best = start;
    }
  }
  if (!choice) return choice;
  choice->usual = sum / static_cast<double>(choice->starts);
  const double end = static_cast<double>((choice->last - begin()).count()) + duration.in(second);
  choice->lowest = choice->most;
  for (std::size_t i = 0; i < times_.size(); ++i) {
    const double covered = covered_[i + 1] - covered_[i];
    const bool within =
        times_[i] >= choice->first && static_cast<double>((times_[i] - begin()).count()) < end;
    if (!within || covered <= 0) continue;
    choice->lowest = std::min(choice->lowest,
                              (weighted_[i + 1] - weighted_[i]) / covered * kGramPerKilowattHour);
  }
  return choice;
}

CarbonIntensity IntensitySeries::mean() const {
  return weighted_.back() / covered_.back() * kGramPerKilowattHour;
}

}  // namespace pretrain::hardware
