# Completion of xl for fish. What there is it asks of xl itself: commands and options of its help, domains of its list.

function __xl_commands
    xl --help 2>/dev/null | sed -n '/^Subcommands:/,$s/^  \([a-z][a-z0-9-]*\) *\(.*\)/\1\t\2/p'
end
function __xl_domains
    xl list 2>/dev/null | awk 'NR > 1 && $2 != 0 { print $1 }'
end
function __xl_options
    xl (commandline -opc)[2] --help 2>/dev/null | grep -oE -- '(^|[ ,])--?[A-Za-z][A-Za-z_-]*' | tr -d ' ,'
end
function __xl_devices
    set -l words (commandline -opc)
    xl (string replace -- -detach -list $words[2]) $words[3] 2>/dev/null | awk 'NR > 1 { print $1 }'
end

function __xl_ended
    for file in /var/log/xen/ends/*.json
        string replace -r '.*/(.*)\.json' '$1' $file
    end
end

complete -c xl -f
complete -c xl -n __fish_use_subcommand -a 'help (__xl_commands)'
complete -c xl -n '__fish_seen_subcommand_from create config-update dump-core' -F
complete -c xl -n 'not __fish_use_subcommand; and not __fish_seen_subcommand_from create top metrics' -a '(__xl_domains)'
complete -c xl -n '__fish_seen_subcommand_from explain' -a '(__xl_ended)'
complete -c xl -n 'string match -q -- "-*" (commandline -ct)' -a '(__xl_options)'
complete -c xl -n '__fish_seen_subcommand_from block-detach network-detach' -a '(__xl_devices)'
