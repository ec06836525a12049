#!/usr/bin/env bash
# Looks for secrets in the logs of a test run: in FOLDER/logs, every line of FOLDER/secrets, and whatever reads like a key, a token, a
# private key or a URL with a password. Names files and lines, never a secret. Exit status 1 when one is found, and when there was
# nothing to look for or nothing to look through: then nothing is proven.
set -euo pipefail
folder=${1:?usage: find-secrets.sh FOLDER}
shapes='slc_(ing|hook|qry|adm)_[0-9A-Za-z]{46}|eyJ[0-9A-Za-z_-]{8,}\.eyJ[0-9A-Za-z_-]{8,}\.|BEGIN [A-Z ]*PRIVATE KEY|[a-z]+://[^/@[:space:]:]*:[^/@[:space:]]+@'

if [ ! -s "$folder/secrets" ]; then
    echo "No secret was registered: the logs prove nothing."
    exit 1
fi
if [ -z "$(find "$folder/logs" -type f -size +0 -print -quit)" ]; then
    echo "No log was kept: nothing was looked through."
    exit 1
fi
# An empty line would match everything.
grep -av '^$' "$folder/secrets" | sort -u > "$folder/patterns"
places=$({
    grep -aronF -f "$folder/patterns" "$folder/logs" || [ $? -eq 1 ]
    grep -aronE -e "$shapes" "$folder/logs" || [ $? -eq 1 ]
} | cut -d : -f 1,2 | sort -u)
if [ -n "$places" ]; then
    echo "Secrets in logs (file:line):"
    echo "$places"
    exit 1
fi
echo "$(wc -l < "$folder/patterns") secrets, none of them in $(find "$folder/logs" -type f | wc -l) logs"
