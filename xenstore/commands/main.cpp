// xenstore: which command it is, what its options are, and the transaction around it.
#include "xenstore/commands/command.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <getopt.h>

namespace xylem::xenstore {

namespace {

std::string program_name;

[[noreturn]] void show_usage(const std::string& usage)
{
    complain("Usage: " + usage);
    std::exit(1);
}

Arguments parse(const Command& command, int argc, char** argv, const std::string& usage)
{
    static const option long_options[] = {
        {"help", 0, nullptr, 'h'},   {"flat", 0, nullptr, 'f'}, {"prefix", 0, nullptr, 'p'},
        {"tidy", 0, nullptr, 't'},   {"upto", 0, nullptr, 'u'}, {"recurse", 0, nullptr, 'r'},
        {"number", 1, nullptr, 'n'}, {"raw", 0, nullptr, 'R'},  {nullptr, 0, nullptr, 0}};
    const bool words_are_its_own = command.options.starts_with('+');
    const char* letters = words_are_its_own ? "+hs" : "hfspturn:R";
    Arguments arguments;
    for (int letter; (letter = getopt_long(argc, argv, letters, long_options, nullptr)) != -1;) {
        if (letter == 's' || letter == '?')
            continue; // "over the socket": there has been no other way for long; what is unknown was complained of
        if (letter == 'h' || !std::strchr(std::string(command.options).c_str(), letter))
            show_usage(usage);
        arguments.flat |= letter == 'f';
        arguments.prefix |= letter == 'p';
        arguments.tidy |= letter == 't';
        arguments.upto |= letter == 'u';
        arguments.recurse |= letter == 'r';
        arguments.raw |= letter == 'R';
        if (letter == 'n')
            arguments.events = std::atoi(optarg);
    }
    arguments.words.assign(argv + optind, argv + argc);
    if (arguments.words.size() < command.least_words || arguments.words.size() % command.word_multiple != 0)
        show_usage(usage);
    return arguments;
}

int run(const Command& command, const Arguments& arguments)
try {
    Client client;
    for (;;) {
        Output output;
        int status = 1;
        try {
            if (arguments.words.size() < command.transaction_words) {
                status = command.run(client, client, arguments, output);
            } else {
                StoreTransaction transaction(client);
                status = command.run(client, transaction, arguments, output);
                if (status == 0 && !transaction.commit())
                    continue;
            }
        } catch (const CommandError& error) {
            complain(error.what()); // what came before it is printed all the same
        }
        std::fwrite(output.data(), 1, output.size(), stdout);
        return status;
    }
} catch (const std::exception& error) {
    complain(error.what());
    return 1;
}

}

void complain(const std::string& text)
{
    std::fprintf(stderr, "%s: %s\n", program_name.c_str(), text.c_str());
}

}

int main(int argc, char** argv)
{
    using namespace xylem::xenstore;
    const char* slash = std::strrchr(argv[0], '/');
    program_name = slash ? slash + 1 : argv[0];
    std::string name;
    std::string usage = argv[0];
    if (program_name.starts_with("xenstore-")) {
        name = program_name.substr(std::strlen("xenstore-"));
    } else {
        if (argc < 2)
            show_usage(usage + " <command> [-h] [...]; commands are " + command_names());
        name = argv[1];
        usage += " " + name;
        ++argv;
        --argc;
    }
    const Command* command = find_command(name);
    if (!command) {
        complain("no command is named \"" + name + "\"; there are " + command_names());
        return 1;
    }
    return run(*command, parse(*command, argc, argv, usage + " " + std::string(command->usage)));
}
