// vsnd=: virtual sound cards, each a list of "card", "pcm" and "stream" with their parameters.
#include "tools/xl/config/description_parts.hpp"

#include <array>
#include <cstdlib>

namespace xylem::xl::config {

namespace {

constexpr std::array<std::string_view, 25> formats{"S8",
                                                   "U8",
                                                   "S16_LE",
                                                   "S16_BE",
                                                   "U16_LE",
                                                   "U16_BE",
                                                   "S24_LE",
                                                   "S24_BE",
                                                   "U24_LE",
                                                   "U24_BE",
                                                   "S32_LE",
                                                   "S32_BE",
                                                   "U32_LE",
                                                   "U32_BE",
                                                   "F32_LE",
                                                   "F32_BE",
                                                   "F64_LE",
                                                   "F64_BE",
                                                   "IEC958_SUBFRAME_LE",
                                                   "IEC958_SUBFRAME_BE",
                                                   "MU_LAW",
                                                   "A_LAW",
                                                   "IMA_ADPCM",
                                                   "MPEG",
                                                   "GSM"};

/// What each of the three kinds may have for its sound.
struct Params {
    Json rates = Json::array();
    Json formats = Json::array();
    std::uint32_t channels_min = 0;
    std::uint32_t channels_max = 0;
    std::uint32_t buffer_size = 0;

    Json json() const
    {
        Json out = Json::object();
        if (!rates.empty())
            out["sample_rates"] = rates;
        if (!formats.empty())
            out["sample_formats"] = formats;
        for (const auto& [field, value] :
             {std::pair("channels_min", channels_min), {"channels_max", channels_max}, {"buffer_size", buffer_size}})
            if (value != 0)
                out[field] = value;
        return out;
    }
};

std::uint32_t number(const std::string& text)
{
    return static_cast<std::uint32_t>(std::strtoul(text.c_str(), nullptr, 0));
}

struct Stream {
    std::string unique_id;
    std::string type;
    Params params;
};
struct Pcm {
    std::string name;
    Params params;
    std::vector<Stream> streams;
};
struct Card {
    std::optional<std::string> backend;
    std::optional<std::string> short_name;
    std::optional<std::string> long_name;
    Params params;
    std::vector<Pcm> pcms;
};

class CardReader {
public:
    void item(const Reader::Item& item);
    Json json(std::size_t index) const;

private:
    bool set_params(Params& params, const std::string& key, const std::string& value, const Position& where);
    void set_card(const std::string& key, const std::string& value, const Position& where);
    void set_pcm(const std::string& key, const std::string& value, const Position& where);
    void set_stream(const std::string& key, const std::string& value, const Position& where);

    Card card_;
};

bool CardReader::set_params(Params& params, const std::string& key, const std::string& value, const Position& where)
{
    if (key == "sample-rates") {
        params.rates = Json::array();
        for (const std::string& rate : split(value, ";"))
            params.rates.push_back(number(rate));
    } else if (key == "sample-formats") {
        params.formats = Json::array();
        for (const std::string& format : split(value, ";")) {
            const auto index = index_of(formats, format);
            if (!index)
                throw SyntaxError(where, fmt::format("there is no sample format '{}'", format));
            params.formats.push_back(lower(formats[*index]));
        }
    } else if (key == "channels-min") {
        params.channels_min = number(value);
    } else if (key == "channels-max") {
        params.channels_max = number(value);
    } else if (key == "buffer-size") {
        params.buffer_size = number(value);
    } else {
        return false;
    }
    return true;
}

[[noreturn]] void unknown(const Position& where, const std::string& key)
{
    throw SyntaxError(where, fmt::format("unknown sound parameter '{}'", key));
}

void CardReader::set_card(const std::string& key, const std::string& value, const Position& where)
{
    if (set_params(card_.params, key, value, where))
        return;
    if (key == "backend")
        card_.backend = value;
    else if (key == "short-name")
        card_.short_name = value;
    else if (key == "long-name")
        card_.long_name = value;
    else
        unknown(where, key);
}

void CardReader::set_pcm(const std::string& key, const std::string& value, const Position& where)
{
    Pcm& pcm = card_.pcms.back();
    if (set_params(pcm.params, key, value, where))
        return;
    if (key != "name")
        unknown(where, key);
    pcm.name = value;
}

void CardReader::set_stream(const std::string& key, const std::string& value, const Position& where)
{
    Stream& stream = card_.pcms.back().streams.back();
    if (set_params(stream.params, key, value, where))
        return;
    if (key == "unique-id")
        stream.unique_id = value;
    else if (key == "type" && (lower(value) == "p" || lower(value) == "c"))
        stream.type = lower(value);
    else
        unknown(where, key);
}

void CardReader::item(const Reader::Item& item)
{
    const std::vector<std::string> words = words_of(item.text);
    const std::string kind = words.empty() ? "" : lower(words[0]);
    if (kind == "pcm" || (kind == "stream" && card_.pcms.empty()))
        card_.pcms.emplace_back();
    if (kind == "stream")
        card_.pcms.back().streams.emplace_back();
    else if (kind != "card" && kind != "pcm" && !words.empty())
        throw SyntaxError(item.where, fmt::format("expected card, pcm or stream, found '{}'", words[0]));
    for (std::size_t i = 1; i < words.size(); ++i) {
        const auto pair = key_and_value(words[i]);
        if (!pair)
            unknown(item.where, words[i]);
        const auto& [key, value] = *pair;
        kind == "card"  ? set_card(key, value, item.where)
        : kind == "pcm" ? set_pcm(key, value, item.where)
                        : set_stream(key, value, item.where);
    }
}

Json CardReader::json(std::size_t index) const
{
    Json out = Json::object();
    set(out, "backend_domname", card_.backend);
    out["devid"] = index;
    set(out, "short_name", card_.short_name);
    set(out, "long_name", card_.long_name);
    out["params"] = card_.params.json();
    for (const Pcm& pcm : card_.pcms) {
        Json entry = Json::object();
        if (!pcm.name.empty())
            entry["name"] = pcm.name;
        entry["params"] = pcm.params.json();
        for (const Stream& stream : pcm.streams) {
            Json inner = Json::object();
            if (!stream.unique_id.empty())
                inner["unique_id"] = stream.unique_id;
            if (!stream.type.empty())
                inner["type"] = stream.type;
            inner["params"] = stream.params.json();
            entry["streams"].push_back(std::move(inner));
        }
        out["pcms"].push_back(std::move(entry));
    }
    return out;
}

}

Json describe_sound(const Reader& reader)
{
    Json cards = Json::array();
    if (!reader.is_list("vsnd"))
        return cards;
    for (const Value& value : reader.find("vsnd")->value.list) {
        if (value.kind != Value::Kind::list)
            throw SyntaxError(value.where, "'vsnd' wants a list of lists, one a card");
        CardReader card;
        for (const Value& part : value.list)
            if (part.kind != Value::Kind::list)
                card.item({part.where, part.text});
        cards.push_back(card.json(cards.size()));
    }
    return cards;
}

}
