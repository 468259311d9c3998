// Decodes a capture from standard input and prints it as JSON: lines of hexadecimal, one for each
// datagram, or with the kinds "connections" and "synchronised connections" a file's text.

#include <cstdio>
#include <iostream>
#include <iterator>
#include <sstream>

#include "describe.h"

using namespace ipvs;
using namespace ipvs::fuzz;

namespace {

int Digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool ParseHex(const std::string& line, Bytes* bytes) {
  if (line.size() % 2 != 0) return false;
  for (size_t i = 0; i < line.size(); i += 2) {
    const int high = Digit(line[i]), low = Digit(line[i + 1]);
    if (high < 0 || low < 0) return false;
    bytes->push_back(static_cast<uint8_t>(high * 16 + low));
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: decode KIND < capture\n", stderr);
    return 2;
  }
  const std::string kind = argv[1];
  const std::string input((std::istreambuf_iterator<char>(std::cin)),
                          std::istreambuf_iterator<char>());
  if (kind == "connections" || kind == "synchronised connections") {
    std::puts(DescribeConnections(input, kind != "connections").c_str());
    return 0;
  }
  std::vector<Bytes> datagrams;
  std::istringstream lines(input);
  for (std::string line; std::getline(lines, line);) {
    datagrams.emplace_back();
    if (!ParseHex(line, &datagrams.back())) {
      std::fputs("decode: this is not hexadecimal\n", stderr);
      return 2;
    }
  }
  std::puts(DescribeDatagrams(kind, datagrams).c_str());
  return 0;
}
