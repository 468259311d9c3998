// Files of /proc as another network namespace shows them. Which namespace they show is decided when
// they are opened, by the thread that opens.
#ifndef IPVS_CORE_NETNS_FILE_H_
#define IPVS_CORE_NETNS_FILE_H_

#include <string>
#include <vector>

#include "netns.h"
#include "result.h"
#include "unique_fd.h"

namespace ipvs {

// `space` may be null for the namespace of the calling thread. Under /proc/net write
// /proc/thread-self/net: the other one shows the process's first thread's namespace.
Failure OpenFileIn(const NetworkNamespace* space, const std::string& path, UniqueFd* file);

// A whole file, up to a limit that nothing sensible reaches.
Failure ReadFileIn(const NetworkNamespace* space, const std::string& path, std::string* text);

// The names in a folder, without "." and "..", sorted.
Failure ListFolderIn(const NetworkNamespace* space, const std::string& path,
                     std::vector<std::string>* names);

}  // namespace ipvs

#endif  // IPVS_CORE_NETNS_FILE_H_
