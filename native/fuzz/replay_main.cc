// Runs a fuzz target over stored inputs without libFuzzer, so that any compiler can: each argument
// is a file, or a folder of files.

#include <dirent.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "property.h"

namespace {

size_t count = 0;

void ReplayFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string content((std::istreambuf_iterator<char>(file)),
                            std::istreambuf_iterator<char>());
  // Exactly as large as the input: one byte too far is outside of what may be read.
  const std::unique_ptr<uint8_t[]> exact(new uint8_t[content.size()]);
  if (!content.empty()) std::memcpy(exact.get(), content.data(), content.size());
  // Where the process ends, the last line says with which input.
  std::fprintf(stderr, "\r%s", path.c_str());
  LLVMFuzzerTestOneInput(exact.get(), content.size());
  std::fprintf(stderr, "\r%*s\r", static_cast<int>(path.size()), "");
  count++;
}

bool Replay(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return false;
  if (!S_ISDIR(status.st_mode)) {
    ReplayFile(path);
    return true;
  }
  DIR* folder = ::opendir(path.c_str());
  if (folder == nullptr) return false;
  while (const dirent* entry = ::readdir(folder)) {
    if (entry->d_name[0] != '.') ReplayFile(path + '/' + entry->d_name);
  }
  ::closedir(folder);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; i++) {
    if (!Replay(argv[i])) {
      std::fprintf(stderr, "%s cannot be read\n", argv[i]);
      return 2;
    }
  }
  std::printf("%zu inputs\n", count);
  return count == 0 ? 1 : 0;
}
