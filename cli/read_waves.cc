#include "cli/read_waves.h"

#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/selector.h"
#include "base/status_macros.h"
#include "cli/names.h"

namespace baton::cli {
namespace {

using Need = YamlKey::Need;

constexpr int kWavesMax = 100;
constexpr int kDomainsMax = 8;
constexpr uint32_t kApprovalsMax = 10;

// Elsewhere one field takes both kinds; here each kind has its own, so that
// both can be set and the smaller wins.
absl::StatusOr<uint32_t> NotPercent(const YamlReader& reader,
                                    const YamlField& field, uint32_t least,
                                    absl::string_view sibling) {
  if (IsPercent(field.node)) {
    return reader.BadValue(
        field, absl::StrCat("a number from ", least, " to ", kHostsMax,
                            "; a percentage goes into ", sibling));
  }
  return reader.Number(field, least, kHostsMax);
}

absl::Status ReadSize(const YamlReader& reader, const YamlField& field,
                      v1::WaveSpec& wave) {
  const std::string want =
      absl::StrCat("a number of hosts from 1 to ", kHostsMax,
                   ", a percentage from \"1%\" to \"100%\", or \"rest\"");
  if (field.node.IsScalar() && field.node.Scalar() == "rest") {
    wave.set_rest(true);
    return absl::OkStatus();
  }
  const bool percent = IsPercent(field.node);
  const absl::StatusOr<uint32_t> size =
      percent ? reader.Percent(field, 1) : reader.Number(field, 1, kHostsMax);
  if (!size.ok()) return reader.BadValue(field, want);
  if (percent) {
    wave.set_percent(*size);
  } else {
    wave.set_hosts(*size);
  }
  return absl::OkStatus();
}

absl::Status ReadWave(const YamlReader& reader, const YamlField& field,
                      v1::WaveSpec& wave) {
  return reader.Map(
      field, {{"name",
               [&](auto& f) -> absl::Status {
                 constexpr char kWant[] = "a name, at most 63 of [a-z0-9-]";
                 ASSIGN_OR_RETURN(*wave.mutable_name(), reader.Text(f, kWant));
                 return IsId(wave.name(), "-") ? absl::OkStatus()
                                               : reader.BadValue(f, kWant);
               }},
              {"size", [&](auto& f) { return ReadSize(reader, f, wave); },
               Need::kRequired},
              {"coverage",
               [&](auto& f) -> absl::Status {
                 ASSIGN_OR_RETURN(const bool coverage, reader.Flag(f));
                 wave.set_coverage(coverage);
                 return absl::OkStatus();
               }},
              {"bake",
               [&](auto& f) -> absl::Status {
                 ASSIGN_OR_RETURN(*wave.mutable_bake(),
                                  reader.Duration(f, "0", "720h"));
                 return absl::OkStatus();
               }},
              {"approvals",
               [&](auto& f) -> absl::Status {
                 ASSIGN_OR_RETURN(const uint32_t people,
                                  reader.Number(f, 0, kApprovalsMax));
                 wave.set_approvals(people);
                 return absl::OkStatus();
               }},
              {"hold_after",
               [&](auto& f) -> absl::Status {
                 ASSIGN_OR_RETURN(const bool hold, reader.Flag(f));
                 wave.set_hold_after(hold);
                 return absl::OkStatus();
               }},
              {"failure_tolerance", [&](auto& f) {
                 return ReadTolerance(reader, f,
                                      *wave.mutable_failure_tolerance());
               }}});
}

// What no wave shows by itself.
absl::Status CheckWaves(const YamlReader& reader, const YamlField& field,
                        const v1::RolloutSpec& spec) {
  if (spec.waves_size() == 0 || spec.waves_size() > kWavesMax) {
    return reader.BadValue(
        field, absl::StrCat("1 to ", kWavesMax, " waves, or no field"));
  }
  std::set<std::string> names;
  uint32_t percent = 0;
  for (const v1::WaveSpec& wave : spec.waves()) {
    percent += wave.percent();
    const std::string name = wave.name().empty()
                                 ? absl::StrCat("wave-", names.size() + 1)
                                 : wave.name();
    if (!names.insert(name).second) {
      return reader.ErrorAt(
          field, kBadValue,
          absl::StrCat("got the name \"", name, "\" twice, want unique names"));
    }
  }
  if (percent <= 100) return absl::OkStatus();
  return reader.ErrorAt(
      field, kBadValue,
      absl::StrCat("got ", percent, "% in all waves, want at most 100%"));
}

absl::Status ReadDomain(const YamlReader& reader, const YamlField& field,
                        v1::DomainLimit& domain) {
  return reader.Map(
      field,
      {{"label",
        [&](auto& f) -> absl::Status {
          constexpr char kWant[] = "the key of a label, e.g. \"rack\"";
          ASSIGN_OR_RETURN(*domain.mutable_label(), reader.Text(f, kWant));
          return IsLabelKey(domain.label()) ? absl::OkStatus()
                                            : reader.BadValue(f, kWant);
        },
        Need::kRequired},
       {"max_unavailable",
        [&](auto& f) -> absl::Status {
          ASSIGN_OR_RETURN(const uint32_t n, reader.Number(f, 1, kHostsMax));
          domain.set_max_unavailable(n);
          return absl::OkStatus();
        },
        Need::kRequired}});
}

absl::Status ReadDomains(const YamlReader& reader, const YamlField& field,
                         v1::LimitsSpec& limits) {
  std::set<std::string> labels;
  RETURN_IF_ERROR(reader.Sequence(field, [&](const YamlField& f) {
    v1::DomainLimit& domain = *limits.add_domains();
    absl::Status read = ReadDomain(reader, f, domain);
    if (!read.ok() || labels.insert(domain.label()).second) return read;
    return reader.ErrorAt(f, kBadValue,
                          absl::StrCat("got the label \"", domain.label(),
                                       "\" twice, want unique labels"));
  }));
  if (limits.domains_size() <= kDomainsMax) return absl::OkStatus();
  return reader.BadValue(field, absl::StrCat("at most ", kDomainsMax));
}

}  // namespace

absl::Status ReadWaves(const YamlReader& reader, const YamlField& field,
                       v1::RolloutSpec& spec) {
  RETURN_IF_ERROR(reader.Sequence(field, [&](const YamlField& f) {
    if (spec.waves_size() > 0 && spec.waves().rbegin()->rest()) {
      return reader.BadValue(f, "no wave after the one of size \"rest\"");
    }
    return ReadWave(reader, f, *spec.add_waves());
  }));
  return CheckWaves(reader, field, spec);
}

absl::Status ReadLimits(const YamlReader& reader, const YamlField& field,
                        v1::LimitsSpec& limits) {
  return reader.Map(
      field,
      {{"max_unavailable",
        [&](auto& f) -> absl::Status {
          ASSIGN_OR_RETURN(const uint32_t n,
                           NotPercent(reader, f, 1, "max_unavailable_percent"));
          limits.set_max_unavailable(n);
          return absl::OkStatus();
        }},
       {"max_unavailable_percent",
        [&](auto& f) -> absl::Status {
          ASSIGN_OR_RETURN(const uint32_t n, reader.Percent(f, 1));
          limits.set_max_unavailable_percent(n);
          return absl::OkStatus();
        }},
       {"domains", [&](auto& f) { return ReadDomains(reader, f, limits); }}});
}

absl::Status ReadTolerance(const YamlReader& reader, const YamlField& field,
                           v1::FailureTolerance& tolerance) {
  return reader.Map(
      field, {{"hosts",
               [&](auto& f) -> absl::Status {
                 ASSIGN_OR_RETURN(const uint32_t n,
                                  NotPercent(reader, f, 0, "percent"));
                 tolerance.set_hosts(n);
                 return absl::OkStatus();
               }},
              {"percent", [&](auto& f) -> absl::Status {
                 ASSIGN_OR_RETURN(const uint32_t n, reader.Percent(f, 0));
                 tolerance.set_percent(n);
                 return absl::OkStatus();
               }}});
}

}  // namespace baton::cli
