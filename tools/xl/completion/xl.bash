# Completion of xl for bash. What there is it asks of xl itself: commands and options of its help, domains of its list.

_xl_commands() { xl --help 2>/dev/null | sed -n '/^Subcommands:/,$s/^  \([a-z][a-z0-9-]*\).*/\1/p'; }
_xl_options() { xl "$1" --help 2>/dev/null | grep -oE -- '(^|[ ,])--?[A-Za-z][A-Za-z_-]*' | tr -d ' ,'; }
_xl_domains() { xl list 2>/dev/null | awk 'NR > 1 && $2 != 0 { print $1 }'; }
# Those that have ended, too: xl explain has kept an account of them.
_xl_explained() { _xl_domains; (cd /var/log/xen/ends 2>/dev/null && ls | sed -n 's/\.json$//p'); }
_xl_devices() { xl "$1-list" "$2" 2>/dev/null | awk 'NR > 1 { print $1 }'; }

_xl() {
    local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} words
    if ((COMP_CWORD == 1)) || [[ $command == help && $COMP_CWORD -eq 2 ]]; then
        words="help $(_xl_commands)"
    elif [[ $word == -* ]]; then
        words=$(_xl_options "$command")
    elif [[ $command == create || ($command == @(config-update|dump-core) && $COMP_CWORD -gt 2) ]]; then
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
    elif [[ $command == block-detach || $command == network-detach ]] && ((COMP_CWORD == 3)); then
        words=$(_xl_devices "${command%-detach}" "${COMP_WORDS[2]}")
    elif [[ $command == explain ]]; then
        words=$(_xl_explained)
    elif [[ $command == top || $command == metrics ]]; then
        words=
    else
        words=$(_xl_domains)
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -F _xl xl
