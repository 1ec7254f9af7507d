// See paths.hpp.
#include "tools/xl/paths.hpp"

#include <algorithm>

namespace xylem::xl {

static bool is_kept(const std::string& path)
{
    const auto depth = std::count(path.begin(), path.end(), '/');
    return depth <= 1 || (path.starts_with("/local/domain/") && depth <= 3);
}

void remove_with_empty_parents(xenstore::StoreView& store, const std::string& path)
{
    store.remove_if_exists(path);
    for (std::string parent = path.substr(0, path.rfind('/')); !is_kept(parent) && store.list_if_exists(parent).empty();
         parent = parent.substr(0, parent.rfind('/')))
        store.remove_if_exists(parent);
}

}
