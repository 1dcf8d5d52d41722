// Prints when a schedule fires, for the judge of schedules (tests/judges/cron.py): for each line
// `COUNT<tab>EXPRESSION<tab>ZONE<tab>START` on standard input one line of seconds since 1970, or
// `error: …`.
#include <cstdlib>
#include <iostream>
#include <string>

#include "config/cron.hpp"

int main() {
  using namespace millrace;
  std::string count, expression, zone_name, start;
  while (std::getline(std::cin, count, '\t') && std::getline(std::cin, expression, '\t') &&
         std::getline(std::cin, zone_name, '\t') && std::getline(std::cin, start)) {
    const auto cron = config::Cron::parse(expression);
    const auto zone = config::TimeZone::find(zone_name);
    auto time = base::parse_time(start);
    if (!cron || !zone || !time) {
      std::cout << "error: "
                << (!cron   ? cron.error().message
                    : !zone ? zone.error().message
                            : time.error().message)
                << "\n";
      continue;
    }
    for (int i = 0; i < std::atoi(count.c_str()); ++i) {
      *time = cron->next_after(*time, *zone);
      std::cout << (i > 0 ? " " : "")
                << std::chrono::floor<std::chrono::seconds>(time->time_since_epoch()).count();
    }
    std::cout << "\n";
  }
  return 0;
}
