// Runs a fuzz target over stored inputs without libFuzzer, so that any compiler can: each argument
// is a file, or a folder of files.

#include <dirent.h>
#include <sanitizer/common_interface_defs.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "property.h"

namespace {

// Longer than any input takes on a busy machine: a decoder without end is a finding too.
constexpr unsigned kPatience = 30;

size_t count = 0;
std::string current;  // which input is being run

// Called where the process ends before its time, whoever ends it.
void TellInput() {
  const std::string sentence = "the input is " + current + "\n";
  if (::write(STDERR_FILENO, sentence.data(), sentence.size()) < 0) return;
}

void OnSignal(int signal) {
  TellInput();
  ::_exit(128 + signal);
}

void ReplayFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string content((std::istreambuf_iterator<char>(file)),
                            std::istreambuf_iterator<char>());
  // Exactly as large as the input: one byte too far is outside of what may be read.
  const std::unique_ptr<uint8_t[]> exact(new uint8_t[content.size()]);
  if (!content.empty()) std::memcpy(exact.get(), content.data(), content.size());
  current = path;
  ::alarm(kPatience);
  LLVMFuzzerTestOneInput(exact.get(), content.size());
  ::alarm(0);
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
  __sanitizer_set_death_callback(TellInput);
  std::signal(SIGABRT, OnSignal);
  std::signal(SIGALRM, OnSignal);
  for (int i = 1; i < argc; i++) {
    if (!Replay(argv[i])) {
      std::fprintf(stderr, "%s cannot be read\n", argv[i]);
      return 2;
    }
  }
  std::printf("%zu inputs\n", count);
  return count == 0 ? 1 : 0;
}
