#include "store/report_json.h"

#include "base/clock.h"
#include "model/value_codec.h"

namespace salver {

std::string ToJson(const MaterializeReport& report) {
  std::string json = "{\"views\": [";
  for (size_t i = 0; i < report.views.size(); ++i) {
    const auto& view = report.views[i];
    json += i > 0 ? ", {\"name\": " : "{\"name\": ";
    AppendJsonString(view.name, &json);
    json += ", \"start\": ";
    AppendJsonString(FormatTime(view.interval.start_us), &json);
    json += ", \"end\": ";
    AppendJsonString(FormatTime(view.interval.end_us), &json);
    json += ", \"rows_read\": " + std::to_string(view.rows_read) +
            ", \"rows_written\": " + std::to_string(view.rows_written) +
            ", \"rows_older\": " + std::to_string(view.rows_older) +
            ", \"rows_resumed\": " + std::to_string(view.rows_resumed) + "}";
  }
  return json + "]}";
}

}  // namespace salver
