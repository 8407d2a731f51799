#ifndef DRIVER_SHIM_FLAGS_H_
#define DRIVER_SHIM_FLAGS_H_

#include <CLI/CLI.hpp>
#include <optional>

namespace baton::shim {

// Reads the flags that `app` declares. Returns the code with which the process
// is to end now, once its user was told why: 0 after --help, 2 where flags are
// wrong, whatever the library has for that; nullopt: it goes on.
inline std::optional<int> ReadFlags(CLI::App& app, int argc,
                                    const char* const* argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return std::nullopt;
}

}  // namespace baton::shim

#endif  // DRIVER_SHIM_FLAGS_H_
