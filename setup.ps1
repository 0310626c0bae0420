# What setup.sh is on other systems: .\setup.ps1 help says what it does.
$job = 'import sys; sys.path.insert(0, sys.argv.pop(1)); from cs231n.__main__ import main; sys.exit(main())'
$words = @(if ($args[0] -ne 'start') { 'setup' }) + $args
$pythons = if ($env:PYTHON) { $env:PYTHON } else { 'python', 'py', 'python3', "$PSScriptRoot\.venv\Scripts\python.exe" }
foreach ($python in $pythons) {
    try { $version = & $python -c "import sys; print('%d.%d' % sys.version_info[:2])" 2>$null } catch { continue }
    if ($version -match '^3\.1[0-4]$') {
        & $python -c $job $PSScriptRoot @words
        exit $LASTEXITCODE
    }
}
[Console]::Error.WriteLine("setup: no Python 3.10 to 3.14 among: $pythons; install one (python.org), or try: `$env:PYTHON = 'C:\path\to\python.exe'")
exit 1
