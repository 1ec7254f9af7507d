// xenstored.
#include "xenstore/daemon/serve.hpp"

int main(int argc, char** argv)
{
    using namespace xylem::xenstore;
    return serve(argc, argv, [] { return std::make_unique<RealDomains>(); });
}
