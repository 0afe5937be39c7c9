# What Windows Update knows to be missing, as JSON, without asking any server: it looks through what its last search left
# behind. It changes nothing, and is always the same text, without a double quotation mark.
$ErrorActionPreference = 'Stop'
$WarningPreference = 'SilentlyContinue'
$ProgressPreference = 'SilentlyContinue'
$env:PSModulePath = $PSHOME + '\Modules'
try { [Console]::OutputEncoding = New-Object System.Text.UTF8Encoding $false } catch { }

$found = @{}
try {
  $last = (New-Object -ComObject Microsoft.Update.AutoUpdate).Results.LastSearchSuccessDate
  $checked = $null
  if ($last -is [DateTime]) { $checked = [DateTime]::SpecifyKind($last, 'Utc').ToString('o') }
  $searcher = (New-Object -ComObject Microsoft.Update.Session).CreateUpdateSearcher()
  $searcher.Online = $false
  $updates = @()
  foreach ($u in $searcher.Search('IsInstalled=0 and IsHidden=0').Updates) {
    if ($updates.Count -ge 1000) { break }
    $published = $null
    if ($u.LastDeploymentChangeTime -is [DateTime]) {
      $published = [DateTime]::SpecifyKind($u.LastDeploymentChangeTime, 'Utc').ToString('o')
    }
    $updates += @{
      title = [string]$u.Title; kb = @($u.KBArticleIDs | ForEach-Object { [string]$_ }); severity = [string]$u.MsrcSeverity
      kind = [int]$u.Type; optional = [bool]$u.BrowseOnly; published = $published
      categories = @($u.Categories | ForEach-Object { @{ id = [string]$_.CategoryID; kind = [string]$_.Type; name = [string]$_.Name } })
    }
  }
  $found['updates'] = @{ value = @(@{ checked = $checked; updates = $updates }) }
} catch {
  $found['updates'] = @{ error = [string]$_.Exception.Message; code = ''; id = [string]$_.FullyQualifiedErrorId }
}
$found | ConvertTo-Json -Depth 8 -Compress
