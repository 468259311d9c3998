#include <unistd.h>

#include "harness.h"

int main(int argc, char** argv) {
  // A deadline that does not hold ends here instead of never.
  ::alarm(600);
  return ipvs::test::RunAll(argc > 1 ? argv[1] : "");
}
